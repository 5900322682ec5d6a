// `cl_status` as scripts of a Heartbeat installation call it: same words, same output, same exit codes
// (0 ok, 1 normal failure, 11 bad parameter, 13 other).
import type { NodeReport, StatusReport } from '../../control/report.js'

export interface CompatIo {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** The running daemon's report; null if none answers. */
  readonly status: () => Promise<StatusReport | null>
}

const usage = `usage: cl_status <command> [options]
commands:
  hbstatus                         is the daemon running here (-v: with nodes and links)
  listnodes [-n | -p]              nodes of the cluster: normal, ping
  nodestatus <node>                init, up, active, dead or ping
  nodetype <node>                  normal or ping
  nodeweight <node>                always 100
  nodesite <node>                  always empty
  listhblinks <node>               links on which the node is heard
  hblinkstatus <node> <link>       up or dead
  clientstatus <node> <client>     online or offline
  rscstatus                        all, local, foreign, none or transition
  hbparameter -p <name>            value of a directive of ha.cf
options:
  -m                               sentences for people
  -h                               this text`

const ok = 0
const normalFailure = 1
const badParameter = 11
const otherFailure = 13

interface Parsed {
  readonly command: string
  readonly operands: readonly string[]
  readonly flags: ReadonlySet<string>
  readonly parameter: string | null
}

function parse(args: readonly string[]): Parsed | null {
  const operands: string[] = []
  const flags = new Set<string>()
  let parameter: string | null = null
  for (let index = 1; index < args.length; index += 1) {
    const word = args[index] ?? ''
    if (word === '-p' && args[0] === 'hbparameter') {
      index += 1
      parameter = args[index] ?? null
    } else if (/^-[a-z]+$/.test(word)) {
      for (const letter of word.slice(1)) flags.add(letter)
    } else operands.push(word)
  }
  const command = args[0]
  return command === undefined ? null : { command, operands, flags, parameter }
}

const wordOf = (node: NodeReport): string =>
  node.kind === 'ping'
    ? node.state === 'up'
      ? 'ping'
      : 'dead'
    : node.state === 'dead'
      ? 'dead'
      : node.status

export async function clStatus(args: readonly string[], io: CompatIo): Promise<number> {
  const parsed = parse(args)
  if (parsed === null || parsed.command === '-h' || parsed.command === '--help' || parsed.flags.has('h')) {
    io.out(usage)
    return ok
  }
  const known = [
    'hbstatus',
    'listnodes',
    'nodestatus',
    'nodetype',
    'nodeweight',
    'nodesite',
    'listhblinks',
    'hblinkstatus',
    'clientstatus',
    'rscstatus',
    'hbparameter',
  ]
  if (!known.includes(parsed.command)) {
    io.err(`cl_status: unknown command '${parsed.command}'`)
    return badParameter
  }
  const report = await io.status()
  if (parsed.command === 'hbstatus') return hbstatus(report, parsed, io)
  if (report === null) {
    io.err('cl_status: cannot sign on: heartbeat is not running on this machine')
    return normalFailure
  }
  return answer(report, parsed, io)
}

function hbstatus(report: StatusReport | null, parsed: Parsed, io: CompatIo): number {
  if (report === null) {
    io.out('Heartbeat is stopped on this machine.')
    return normalFailure
  }
  io.out('Heartbeat is running on this machine.')
  if (parsed.flags.has('v')) {
    io.out(`version:\t${report.version} (twinbeat)\nmanaged by:\t"haresources"`)
    for (const node of report.nodes) {
      io.out(`node ${node.name}: ${wordOf(node)}`)
      for (const link of node.links) io.out(`\tlink ${link.name}: ${link.state === 'up' ? 'up' : 'dead'}`)
    }
  }
  return ok
}

function answer(report: StatusReport, parsed: Parsed, io: CompatIo): number {
  const human = parsed.flags.has('m')
  const say = (plain: string, sentence: string): void => {
    io.out(human ? sentence : plain)
  }
  if (parsed.command === 'listnodes') return listNodes(report, parsed, io)
  if (parsed.command === 'rscstatus') {
    say(report.resources, `This node is holding ${report.resources} resources.`)
    return ok
  }
  if (parsed.command === 'hbparameter') {
    if (parsed.parameter === null) return wrong(io, 'hbparameter needs -p NAME')
    const value = Object.hasOwn(report.parameters, parsed.parameter) ? report.parameters[parsed.parameter] : undefined
    if (value === undefined) return normalFailure
    io.out(value)
    return ok
  }
  const node = report.nodes.find((candidate) => candidate.name === parsed.operands[0])
  if (node === undefined) {
    io.err(`cl_status: unknown node '${parsed.operands[0] ?? ''}'`)
    return badParameter
  }
  switch (parsed.command) {
    case 'nodestatus':
      say(wordOf(node), `The cluster node ${node.name} is ${wordOf(node)}`)
      return wordOf(node) === 'dead' ? normalFailure : ok
    case 'nodetype':
      say(node.kind, `The cluster node ${node.name} is of type ${node.kind}`)
      return ok
    case 'nodeweight':
      say('100', `The cluster node ${node.name} weighs 100`)
      return ok
    case 'nodesite':
      io.out('')
      return ok
    case 'listhblinks':
      for (const link of node.links) io.out(`\t${link.name}`)
      return ok
    case 'hblinkstatus':
      return linkStatus(node, parsed, say, io)
    default:
      return clientStatus(report, node, parsed, say, io)
  }
}

function wrong(io: CompatIo, why: string): number {
  io.err(`cl_status: ${why}`)
  return badParameter
}

function listNodes(report: StatusReport, parsed: Parsed, io: CompatIo): number {
  // Heartbeat prints the node that was configured last first.
  for (const node of [...report.nodes].reverse()) {
    if (parsed.flags.has('n') && node.kind !== 'normal') continue
    if (parsed.flags.has('p') && node.kind !== 'ping') continue
    io.out(node.name)
  }
  return ok
}

function linkStatus(
  node: NodeReport,
  parsed: Parsed,
  say: (plain: string, sentence: string) => void,
  io: CompatIo,
): number {
  const link = node.links.find((candidate) => candidate.name === parsed.operands[1])
  if (link === undefined) {
    io.err(`cl_status: node '${node.name}' has no link '${parsed.operands[1] ?? ''}'`)
    return otherFailure
  }
  const word = link.state === 'up' ? 'up' : 'dead'
  say(word, `The heartbeat link ${link.name} of ${node.name} is ${word}`)
  return word === 'up' ? ok : normalFailure
}

function clientStatus(
  report: StatusReport,
  node: NodeReport,
  parsed: Parsed,
  say: (plain: string, sentence: string) => void,
  io: CompatIo,
): number {
  const client = parsed.operands[1]
  if (client === undefined) return wrong(io, 'clientstatus needs a node and the name of a client')
  // No program signs on to this daemon by name: every client is offline, as with a heartbeat that runs none.
  say('offline', `Client ${client} on ${node.name} is offline (${report.node} runs no such client)`)
  return normalFailure
}
