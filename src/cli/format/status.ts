// The status page of a terminal: what is held where first, then who is heard on what.
import type { ArbiterReport, GroupReport, LeaseReport, LinkReport, NodeReport, StatusReport } from '../../control/report.js'

export interface Palette {
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly warn: (text: string) => string
  readonly dim: (text: string) => string
  readonly bold: (text: string) => string
}

const paint =
  (code: string) =>
  (text: string): string =>
    `\u001b[${code}m${text}\u001b[0m`
const plain = (text: string): string => text
export const colours: Palette = {
  good: paint('32'),
  bad: paint('31'),
  warn: paint('33'),
  dim: paint('2'),
  bold: paint('1'),
}
export const noColours: Palette = { good: plain, bad: plain, warn: plain, dim: plain, bold: plain }

/** 40 -> `40 ms`, 4 000 -> `4.0 s`. */
export function age(ms: number | null): string {
  if (ms === null) return 'never'
  if (ms < 1000) return `${String(Math.round(ms))} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  return `${String(Math.round(ms / 60_000))} min`
}

function table(rows: readonly (readonly string[])[]): string[] {
  // eslint-disable-next-line no-control-regex
  const width = (text: string): number => text.replace(/\u001b\[\d+m/g, '').length
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, width(cell))
    })
  return rows.map(
    (row) =>
      `  ${row
        .map((cell, index) =>
          index === row.length - 1 ? cell : cell + ' '.repeat((widths[index] ?? 0) - width(cell)),
        )
        .join('  ')}`,
  )
}

function nodeRow(node: NodeReport, p: Palette): string[] {
  const state = node.self
    ? p.good(node.status)
    : node.state === 'dead'
      ? p.bad('dead')
      : node.state === 'late'
        ? p.warn(`${node.status} (late)`)
        : node.state === 'never'
          ? p.warn('never heard')
          : p.good(node.status)
  const links = node.links
    // Only a broadcast comes back to its sender: that a node never heard itself on a line or by unicast is no fault.
    .filter((link) => !node.self || link.state !== 'never')
    .map((link) => (link.state === 'up' ? p.good(link.name) : p.bad(`${link.name} ${link.state}`)))
    .join(' ')
  const speaks = node.self ? 'this node' : node.kind === 'ping' ? 'ping node' : (node.speaks ?? '-')
  return [p.bold(node.name), state, speaks, node.self ? '' : `heard ${age(node.lastStatusAgoMs)} ago`, links]
}

/** How long it is ours without another word, and on whose word. */
function leaseRow(lease: LeaseReport, p: Palette): string[] {
  const { state, token, leftMs, byPromise, boundMs, problem } = lease
  const words = leftMs !== null
    ? `token ${String(token)}, ${age(leftMs)} left${byPromise ? " by the peer's promise" : ''}`
    : boundMs === null ? '' : `not taken here for ${age(boundMs)}: promised to the peer, or started just now`
  const shown = state === 'owned' && problem === null ? p.good(state) : state === 'idle' ? state : p.warn(state)
  return ['  lease', shown, words, '', problem === null ? '' : p.warn(problem)]
}

function arbiterLine(arbiter: ArbiterReport, p: Palette): string {
  const { kind, reachable, endpoint, lastAnswerAgoMs, lastMs, problem } = arbiter
  const state = reachable === null ? 'not asked yet' : reachable ? p.good('answers') : p.bad(`silent: ${problem ?? ''}`)
  const took = lastMs === null ? '' : `, took ${String(lastMs)} ms`
  return `  ${kind}  ${state}  ${endpoint ?? ''}  last answer ${age(lastAnswerAgoMs)}${lastAnswerAgoMs === null ? '' : ' ago'}${took}`
}

function groupRows(group: GroupReport, p: Palette): string[][] {
  const holder = group.holder === null ? p.bad('nobody') : p.good(group.holder)
  const rows = [
    [p.bold(group.id), `on ${holder}`, group.state, p.dim(`home ${group.home}`),
      `${group.onHold ? p.warn('on hold ') : ''}${p.dim(group.reason)}`],
  ]
  if (group.lease !== null) rows.push(leaseRow(group.lease, p))
  for (const member of group.members) {
    const state =
      member.state === 'running'
        ? p.good(member.state)
        : member.state === 'failed'
          ? p.bad(member.state)
          : member.state
    rows.push([`  ${member.id}`, state, member.runs, '', p.dim(member.lastResult ?? '')])
  }
  return rows
}

function linkRow(link: LinkReport, p: Palette): string[] {
  const state = !link.open
    ? p.bad(`closed: ${link.problem}`)
    : link.state === 'up'
      ? p.good('up')
      : p.bad(link.state)
  const rejected = Object.entries(link.rejected)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason} ${String(count)}`)
    .join(', ')
  return [
    link.name,
    link.type,
    state,
    `in ${String(link.packetsIn)} out ${String(link.packetsOut)}`,
    rejected === '' ? '' : p.warn(`refused: ${rejected}`),
  ]
}

const agoOrNever = (ms: number | null): string => (ms === null ? 'never' : `${age(ms)} ago`)

function protectionLines({ guardian, splitBrain }: StatusReport, p: Palette): string[] {
  const mode = splitBrain === 'accept' ? p.warn('accept (a node that hears nothing takes over)') : p.good(splitBrain)
  const rows = [['split brain', mode]]
  if (guardian === null) rows.push(['guardian', p.bad('none: nothing is taken here')])
  else {
    const fit = guardian.state === 'guarding' || guardian.state === 'keeping'
    const seen = guardian.progressUs === null ? '' : `, saw the engine ${age(guardian.progressUs / 1000)} before it was asked`
    const text = `${guardian.state} (pid ${String(guardian.pid)})${seen}`
    const less = [...(guardian.realtime ? [] : ['no real-time scheduling']), ...(guardian.memoryLocked ? [] : ['memory not locked'])]
    rows.push(['guardian', `${fit ? p.good(text) : p.bad(text)}${less.length === 0 ? '' : `  ${p.warn(less.join(', '))}`}`])
  }
  const watchdog = guardian?.watchdog ?? null
  if (watchdog !== null) {
    const petted = watchdog.pettedUs === null ? 'never petted' : `petted ${age(watchdog.pettedUs / 1000)} before it was asked`
    const text = `${watchdog.state}, ${petted}, bites after ${age(watchdog.timeoutS * 1000)}${watchdog.nowayout ? ', cannot be ended' : ''}`
    rows.push(['watchdog', watchdog.state === 'petted' ? p.good(text) : p.bad(text)])
  }
  return ['', 'Protection', ...table(rows)]
}

function fencingLines({ fencing }: StatusReport, p: Palette): string[] {
  if (fencing.devices.length === 0 && !fencing.required) return []
  const state = fencing.state === 'idle' && fencing.text === '' ? '' : `  ${p.warn(fencing.text === '' ? fencing.state : fencing.text)}`
  const rows = fencing.devices.map((device) => [
    p.bold(device.name), device.type, device.targets.join(' '),
    device.problem !== null ? p.bad('cannot reach its target')
      : device.lastGoodAgoMs === null ? p.dim('not tested here') : p.good(`worked ${age(device.lastGoodAgoMs)} ago`),
    device.problem === null ? '' : `${device.problem}; last worked ${agoOrNever(device.lastGoodAgoMs)}`,
  ])
  return ['', `Fencing${fencing.required ? '' : p.dim(' (not required: split_brain accept)')}${state}`, ...table(rows)]
}

export function formatStatus(report: StatusReport, p: Palette): string {
  const lines = [
    `${p.bold(report.node)}  holds ${p.bold(report.resources)}  ${report.membership}` +
      `${report.operation === null ? '' : `  ${p.warn(report.operation)}`}  ` +
      p.dim(`twinbeatd ${report.version} pid ${String(report.pid)} since ${report.startedAt}`),
    ...(report.maintenanceLeftMs === null ? [] : [
      p.bad(`MAINTENANCE for another ${age(report.maintenanceLeftMs)}: nothing is taken, handed over or monitored on this pair`),
    ]),
    '',
    'Groups',
    ...table(report.groups.flatMap((group) => groupRows(group, p))),
    '',
    'Nodes',
    ...table(report.nodes.map((node) => nodeRow(node, p))),
    '',
    'Links',
    ...table(report.links.map((link) => linkRow(link, p))),
    ...(report.arbiter === null ? [] : ['', 'Arbiter', arbiterLine(report.arbiter, p)]),
  ]
  if (report.groups.length === 0) lines.splice(lines.indexOf('Groups') + 1, 0, '  none: haresources names no group')
  lines.push(...protectionLines(report, p), ...fencingLines(report, p))
  if (report.warnings.length > 0) lines.push('', ...report.warnings.map((warning) => p.warn(`! ${warning}`)))
  return lines.join('\n')
}
