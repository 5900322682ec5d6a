// `npm run test:vm`: every play, one after the other, each on freshly booted machines; a line for each fact. The page
// of results is written when all of them were played.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Command } from 'commander'

import { epochMs } from '../../lab/owners.js'
import { twinbeatObstacle } from '../../lab/twinbeat-node.js'
import { emulationObstacle } from './boot-files.js'
import { FAILED, type Fact, type Play, type Show } from './plays.js'
import { formatPage } from './page.js'
import { failover } from './plays/failover.js'
import { lease } from './plays/lease.js'
import { power } from './plays/power.js'
import { watchdog } from './plays/watchdog.js'

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url))
const PAGE = join(PROJECT, 'docs', 'vm.md')
const plays: readonly Play[] = [failover, watchdog, lease, power]
/** On a machine that others work on, a higher one keeps the emulators out of their way. */
const NICE = '0'

class PlayEnded extends Error {}

async function main(): Promise<number> {
  const program = new Command('test:vm')
    .description('a pair on emulated machines: watchdogs, clocks, pauses, power')
    .option('--only <pattern>', 'only plays whose name matches', '.')
    .option('--list', 'name the plays')
    .option('--nice <n>', 'of the emulators', NICE)
  program.parse(process.argv)
  const options = program.opts<{ only: string; list?: boolean; nice: string }>()
  const chosen = plays.filter(({ name }) => new RegExp(options.only).test(name))
  if (options.list === true) {
    for (const { name, what } of plays) say(`${name.padEnd(20)} ${what}`)
    return 0
  }
  const obstacle = emulationObstacle() ?? twinbeatObstacle()
  if (obstacle !== null) {
    say(`skipped: no machine can be emulated here: ${obstacle}`)
    return 0
  }
  const beganMs = epochMs()
  const facts: Fact[] = []
  rmSync(FAILED, { recursive: true, force: true })
  for (const play of chosen) facts.push(...await perform(play, Number(options.nice)))
  const failed = facts.filter(({ problem }) => problem !== null)
  const tookS = (epochMs() - beganMs) / 1000
  if (chosen.length === plays.length) writeFileSync(PAGE, formatPage(plays, facts, tookS))
  say(`${facts.length - failed.length} facts hold, ${failed.length} do not, in ${tookS.toFixed(0)} s`)
  return failed.length === 0 ? 0 : 1
}

async function perform(play: Play, nice: number): Promise<Fact[]> {
  say(`-- ${play.name}: ${play.what}`)
  const facts: Fact[] = []
  const show: Show = async (text, body) => {
    const fromMs = epochMs()
    let note = ''
    let problem: string | null = null
    try {
      note = await body() ?? ''
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error)
    }
    const seconds = (epochMs() - fromMs) / 1000
    facts.push({ play: play.name, text, note, seconds, problem: problem?.split('\n')[0] ?? null })
    say(`${problem === null ? 'ok  ' : 'FAIL'} ${seconds.toFixed(1).padStart(6)} s  ${text}${note === '' ? '' : ` (${note})`}`)
    if (problem === null) return
    say(problem)
    mkdirSync(FAILED, { recursive: true })
    writeFileSync(join(FAILED, `${play.name}.txt`), problem)
    throw new PlayEnded()
  }
  try {
    await play.run(show, nice)
  } catch (error) {
    if (!(error instanceof PlayEnded)) throw error
  }
  return facts
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

// The emulators die with this process; what it leaves in the folder of temporary files the next run removes.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => { process.exit(130) })
process.exitCode = await main()
