// How late is a death declared, and how soon after it is the address there and announced? Two twinbeat nodes,
// the daemon of the active one is killed, over and over, at a random phase of its heartbeat.
// Everything is read from outside: the wire, and the kernel's own notice of the address.
import { writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { Pair, type PairMember } from '../../lab/pair.js'
import { labObstacle } from '../../lab/lab.js'
import { VIPS, LAB_KEY } from '../../lab/pair-files.js'
import { WireTap } from './capture.js'
import { summarise, type Summary } from './statistics.js'

interface Settings {
  readonly tries: number
  readonly keepaliveMs: number
  readonly deadtimeMs: number
  readonly json: string | null
}

export interface Sample {
  /** Declared dead (first `stonith` message of the survivor) minus last heartbeat of the victim minus deadtime. */
  readonly declaredLateMs: number
  /** Address configured on the survivor minus declared dead. */
  readonly addressMs: number
  /** First gratuitous ARP on the service network minus declared dead. */
  readonly arpMs: number
}

const goals = { declaredLateMs: 20, addressMs: 5, arpMs: 5 } as const
const settleTimeoutMs = 30_000
const freshMs = 6_000

function parseSettings(argv: readonly string[]): Settings {
  const value = (name: string, fallback: string): string => {
    const at = argv.indexOf(`--${name}`)
    return at < 0 ? fallback : (argv[at + 1] ?? fallback)
  }
  if (argv.includes('--help')) {
    process.stdout.write(
      'usage: bench:detect [-- --tries 20] [--keepalive 100] [--deadtime 500] [--json FILE]\n' +
        '  times in milliseconds; example: npm run bench:detect -- --tries 50 --json detect.json\n',
    )
    process.exit(0)
  }
  return {
    tries: Number(value('tries', '20')),
    keepaliveMs: Number(value('keepalive', '100')),
    deadtimeMs: Number(value('deadtime', '500')),
    json: argv.includes('--json') ? value('json', 'detect.json') : null,
  }
}

async function oneTry(
  pair: Pair,
  tap: WireTap,
  victim: PairMember,
  deadtimeMs: number,
): Promise<Sample | string> {
  const survivor = pair.other(victim)
  const sinceMs = performance.timeOrigin + performance.now()
  await victim.daemon.kill()
  await pair.holdsAll(survivor, settleTimeoutMs)
  // The announcement follows the address within microseconds; the capture file a little later.
  await new Promise((resolve) => setTimeout(resolve, 200))
  const keys = { signIndex: 1, keys: [{ index: 1, method: pair.settings.auth, key: LAB_KEY }] }
  const messages = tap.messages(keys).filter((message) => message.atMs > sinceMs - 5000)
  const declared = messages.find(
    (message) =>
      message.from === survivor.node.name && message.type === 'stonith' && message.atMs > sinceMs,
  )
  if (declared === undefined) return 'the death was not seen on the wire'
  const last = messages
    .filter(
      (message) =>
        message.from === victim.node.name &&
        message.type === 'status' &&
        message.atMs < declared.atMs,
    )
    .at(-1)
  // The group that moves is the victim's own, except where the survivor held it already.
  const taken = VIPS.map((vip) => pair.owners.takenAt(vip, survivor.node.name, sinceMs)).filter(
    (at) => at !== null,
  )
  const arp = tap.announcements().find((announcement) => announcement.atMs > declared.atMs - 1)
  const address = Math.min(...taken)
  if (last === undefined || !Number.isFinite(address) || arp === undefined)
    return 'the takeover was not seen whole'
  return {
    declaredLateMs: declared.atMs - last.atMs - deadtimeMs,
    addressMs: address - declared.atMs,
    arpMs: arp.atMs - declared.atMs,
  }
}

async function measure(settings: Settings): Promise<{ samples: Sample[]; voided: string[] }> {
  const pair = await Pair.create({
    name: 'detect',
    kinds: ['twinbeat', 'twinbeat'],
    settings: {
      keepalive: `${String(settings.keepaliveMs)}ms`,
      deadtime: `${String(settings.deadtimeMs)}ms`,
      warntime: `${String(settings.deadtimeMs / 2)}ms`,
      initdead: '3',
      autoFailback: 'off',
    },
  })
  const samples: Sample[] = []
  const voided: string[] = []
  try {
    await Promise.all([pair.a.daemon.start(), pair.b.daemon.start()])
    await pair.expect('local', 'local', settleTimeoutMs)
    const tap = await WireTap.open(pair.lab)
    await new Promise((resolve) => setTimeout(resolve, freshMs))
    for (let index = 0; index < settings.tries; index += 1) {
      const victim = index % 2 === 0 ? pair.a : pair.b
      // A random phase of the heartbeat, else every try would meet the same one.
      await new Promise((resolve) =>
        setTimeout(resolve, 300 + Math.random() * settings.keepaliveMs * 3),
      )
      const sample = await oneTry(pair, tap, victim, settings.deadtimeMs)
      if (typeof sample === 'string') voided.push(sample)
      else samples.push(sample)
      process.stderr.write(
        `\rtry ${String(index + 1)} of ${String(settings.tries)}, ${String(voided.length)} void`,
      )
      await victim.daemon.start()
      await pair.joined(victim)
      await pair.oneOwnerEach(settleTimeoutMs)
      // A node announces a longer dead time in the first five seconds of its life.
      await new Promise((resolve) => setTimeout(resolve, freshMs))
      await giveHome(pair, victim)
    }
    await tap.close()
  } finally {
    await pair.close()
    process.stderr.write('\n')
  }
  return { samples, voided }
}

/** Each try needs a victim that holds something: its own group goes back to it. */
async function giveHome(pair: Pair, member: PairMember): Promise<void> {
  if ((await member.daemon.holding()) === 'none') await member.daemon.takeover('local')
  await pair.expect('local', 'local', settleTimeoutMs)
}

function row(name: string, summary: Summary, goal: number): string {
  const cell = (value: number): string => value.toFixed(2).padStart(9)
  const verdict = summary.median <= goal ? 'met' : 'MISSED'
  const cells = [summary.min, summary.median, summary.p95, summary.max].map(cell).join('')
  return `${name.padEnd(34)}${cells}   <= ${String(goal)} ms: ${verdict}`
}

async function main(): Promise<number> {
  const settings = parseSettings(process.argv)
  const obstacle = await labObstacle()
  if (obstacle !== null) {
    process.stderr.write(`the benchmark cannot run here: ${obstacle}\n`)
    return 1
  }
  const { samples, voided } = await measure(settings)
  const summaries = {
    declaredLateMs: summarise(samples.map((sample) => sample.declaredLateMs)),
    addressMs: summarise(samples.map((sample) => sample.addressMs)),
    arpMs: summarise(samples.map((sample) => sample.arpMs)),
  }
  const machine = `${String(cpus().length)} cores, Linux ${release()}, Node ${process.version}`
  process.stdout.write(
    [
      `keepalive ${String(settings.keepaliveMs)} ms, deadtime ${String(settings.deadtimeMs)} ms, ` +
        `${String(samples.length)} tries, ${String(voided.length)} void; ${machine}`,
      `${'milliseconds'.padEnd(34)}      min   median      p95      max   goal for the median`,
      row('declared dead after the dead time', summaries.declaredLateMs, goals.declaredLateMs),
      row('then: address configured', summaries.addressMs, goals.addressMs),
      row('then: first ARP on the wire', summaries.arpMs, goals.arpMs),
      '',
    ].join('\n'),
  )
  if (settings.json !== null) {
    writeFileSync(
      settings.json,
      `${JSON.stringify({ settings, machine, samples, voided, summaries }, null, 2)}\n`,
    )
  }
  return samples.length > 0 ? 0 : 1
}

process.exitCode = await main()
