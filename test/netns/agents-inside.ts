// Runs inside namespaces of its own (network, mount): sets up eth0 and a private /run, sends every
// row of the table through an Lrm and writes one JSON line per row. `agents.test.ts` starts it.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync } from 'node:fs'
import { Lrm } from '../../src/lrm/lrm.js'
import { OCF_ROOT } from '../../src/lrm/places.js'
import type { AgentAction, AgentResult, AgentTarget } from '../../src/lrm/types.js'
import { AGENT_ROWS, MOMENTS, SCRIPT_ROWS, type AgentRow, type ScriptRow } from './agent-table.js'

export interface RowReport {
  readonly row: string
  readonly skipped: string | null
  readonly steps: readonly {
    readonly moment: string
    readonly result: AgentResult
    /** Null where there is none to ask. */
    readonly witness: boolean | null
  }[]
  readonly afterFailed: boolean
}

const SLOW = process.env['TWINBEAT_SLOW'] === '1'
const TIMEOUT_MS = 20_000

const SETUP = [
  'mount --make-rprivate /',
  'mount -t tmpfs tmpfs /run',
  'mkdir -p /run/resource-agents /run/lock /run/netns',
  // `anything` runs `su -`, and what the login files of this machine do is not its business.
  'for file in .profile .bash_profile .bash_login .bashrc; do' +
    ' [ ! -e /root/$file ] || mount --bind /dev/null /root/$file; done',
  'ip link set lo up',
  'ip link add eth0 type veth peer name peer0',
  'ip link set eth0 up && ip link set peer0 up',
  'ip addr add 192.0.2.1/24 dev eth0',
  // Duplicate address detection is the kernel's work; without it the result depends on no load.
  'echo 0 > /proc/sys/net/ipv6/conf/eth0/dad_transmits',
  'ip -6 addr add 2001:db8::1/64 dev eth0 nodad || true',
]

function shell(line: string): { ok: boolean; stderr: string } {
  const run = spawnSync('sh', ['-c', line], { encoding: 'utf8', timeout: TIMEOUT_MS })
  return { ok: run.status === 0, stderr: run.stderr }
}

class Rows {
  readonly dir = mkdtempSync('/run/twinbeat-agents-')
  readonly #lrm = new Lrm({ nodeName: 'alpha', haDir: '/etc/ha.d' })

  async close(): Promise<void> {
    await this.#lrm.close()
    rmSync(this.dir, { recursive: true, force: true })
  }

  fill(text: string): string {
    return text.replaceAll('DIR', this.dir)
  }

  fillAll(values: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, this.fill(value)]))
  }

  async run(
    row: AgentRow | ScriptRow,
    target: AgentTarget,
    moments: readonly (readonly [string, AgentAction])[],
  ): Promise<Omit<RowReport, 'row'>> {
    const skipped = this.#prepare(row, target)
    if (skipped !== null) return { skipped, steps: [], afterFailed: false }
    const env = this.fillAll(row.env ?? {})
    const steps = []
    for (const [moment, action] of moments) {
      const result = await this.#lrm.run({ resource: target, action, timeoutMs: TIMEOUT_MS, env })
      const witness = row.witness === undefined ? null : shell(this.fill(row.witness)).ok
      steps.push({ moment, result, witness })
    }
    const after = row.after === undefined || shell(this.fill(row.after)).ok
    return { skipped: null, steps, afterFailed: !after }
  }

  #prepare(row: AgentRow | ScriptRow, target: AgentTarget): string | null {
    if (row.slow === true && !SLOW) return 'slow; TWINBEAT_SLOW=1 runs it'
    if (!existsSync(target.path)) return `${target.path} is not installed`
    for (const program of row.needs ?? []) {
      if (!shell(`command -v ${program}`).ok) return `no program '${program}'`
    }
    if (row.before === undefined) return null
    const before = shell(this.fill(row.before))
    return before.ok ? null : `cannot be prepared: ${before.stderr.trim()}`
  }
}

async function main(): Promise<void> {
  // Never in the namespaces of the machine: what follows mounts and adds addresses.
  for (const kind of ['net', 'mnt']) {
    const own = readlinkSync(`/proc/self/ns/${kind}`)
    if (own === process.env[`TWINBEAT_OUTER_${kind}`])
      throw new Error(`not in an own ${kind} namespace`)
  }
  for (const line of SETUP) {
    const step = shell(line)
    if (!step.ok) throw new Error(`${line}: ${step.stderr}`)
  }
  mkdirSync('/run/twinbeat', { recursive: true })
  const rows = new Rows()
  const print = (report: RowReport): void =>
    void process.stdout.write(`${JSON.stringify(report)}\n`)
  for (const row of AGENT_ROWS) {
    const { provider, type } = row
    const path = `${OCF_ROOT}/resource.d/${provider}/${type}`
    const parameters = rows.fillAll(row.parameters)
    const id = `test/${row.name.replaceAll(' ', '-')}`
    const target: AgentTarget = {
      id,
      class: 'ocf',
      name: type,
      provider,
      path,
      args: [],
      parameters,
    }
    const moments = (row.moments ?? MOMENTS).map(([moment, action]) => [moment, action] as const)
    print({ row: `ocf ${row.name}`, ...(await rows.run(row, target, moments)) })
  }
  for (const row of SCRIPT_ROWS) {
    const path = `/etc/ha.d/resource.d/${row.name}`
    const args = row.args.map((arg) => rows.fill(arg))
    const base = { class: 'heartbeat', provider: null, parameters: {} } as const
    const target: AgentTarget = { ...base, id: `script/${row.name}`, name: row.name, path, args }
    const actions = ['probe', 'start', 'monitor', 'stop', 'probe'] as const
    const moments = actions.map((action) => [action, action] as const)
    print({ row: `script ${row.name}`, ...(await rows.run(row, target, moments)) })
  }
  await rows.close()
}

await main()
