// The faults of a drill, as scripts for a shell on the node. Each that does not end by itself carries its own end: the
// node restores itself after a while, also when nobody reaches it any more.
import { quoted } from './remote.js'

export const faultNames = ['standby', 'kill', 'nic', 'freeze'] as const
export type Fault = (typeof faultNames)[number]

/** Asked for before the first one: what it does to a pair in service. */
export const destructive: Readonly<Partial<Record<Fault, string>>> = {
  kill: 'SIGKILL to twinbeatd on the node that has the address, then start it again',
  nic: 'take the interface of the address down on its node (its routes are saved and put back), then up again',
  freeze: 'SIGSTOP to twinbeatd on the node that has the address, later SIGCONT; a node with fencing or a watchdog may be reset',
}

export interface FaultInput {
  readonly pid: number
  readonly interface: string
  readonly group: string
  /** How the tool is called on the nodes. */
  readonly tool: string
  /** After this the node restores itself. */
  readonly restoreAfterMs: number
  readonly limitMs: number
}

const seconds = (ms: number): string => (ms / 1000).toFixed(3)
/** The pid is from an answer of before: it must still be that program. */
const isDaemon = (pid: number): string => `tr '\\0' ' ' </proc/${pid}/cmdline 2>/dev/null | grep -q twinbeatd`
const later = (script: string): string => `setsid sh -c ${quoted(script)} </dev/null >/dev/null 2>&1 &`

export function inflict(fault: Fault, input: FaultInput): string {
  const { pid, group, tool, restoreAfterMs, limitMs } = input
  switch (fault) {
    case 'standby': return `${tool} standby ${quoted(group)} --timeout ${Math.ceil(limitMs / 1000)}s >&2`
    case 'kill': return `${isDaemon(pid)} && kill -KILL ${pid}`
    case 'freeze': {
      const thaw = `sleep ${seconds(restoreAfterMs)}; ${isDaemon(pid)} && kill -CONT ${pid}`
      return `${isDaemon(pid)} && { ${later(thaw)} kill -STOP ${pid}; }`
    }
    case 'nic': return takeDown(input.interface, restoreAfterMs)
  }
}

/** What brings a node back before its own clock does; done whatever happened before. */
export function restore(fault: Fault, input: Pick<FaultInput, 'pid' | 'interface'>): string {
  switch (fault) {
    case 'standby':
    case 'kill': return 'true'
    case 'freeze': return `${isDaemon(input.pid)} && kill -CONT ${input.pid}; true`
    case 'nic': return bringUp(input.interface)
  }
}

const savedRoutes = (device: string): string => `/run/twinbeat-drill-${device}`

function takeDown(device: string, restoreAfterMs: number): string {
  const saved = savedRoutes(device)
  const keep = `/proc/sys/net/ipv6/conf/${device}/keep_addr_on_down`
  const down = [
    `umask 077`, `ip -4 route save dev ${device} >${saved}.4`, `ip -6 route save dev ${device} >${saved}.6`,
    // The kernel forgets static IPv6 addresses of an interface that goes down, and what was set here was not ours.
    `cat ${keep} >${saved}.keep 2>/dev/null`, `echo 1 2>/dev/null >${keep}`,
    `ip link set dev ${device} down`, `sleep ${seconds(restoreAfterMs)}`, bringUp(device),
  ].join('; ')
  return `ip link show dev ${device} >/dev/null && ${later(down)}`
}

/** Whoever comes first does it: the files are taken away first. */
function bringUp(device: string): string {
  const saved = savedRoutes(device)
  return `if mv ${saved}.4 ${saved}.restoring 2>/dev/null; then ip link set dev ${device} up; ` +
    `ip -4 route restore <${saved}.restoring; ip -6 route restore <${saved}.6; ` +
    `cat ${saved}.keep 2>/dev/null >/proc/sys/net/ipv6/conf/${device}/keep_addr_on_down; ` +
    `rm -f ${saved}.restoring ${saved}.6 ${saved}.keep; fi 2>/dev/null; true`
}
