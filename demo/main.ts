// `npm run demo`: a pair that fails over, seen by a client. Builds the stage, plays every act, prints
// the table. Exit code 0 only if every act ended with exactly one owner of the service address.

import { labObstacle } from '../lab/lab.js'
import { readExample } from './files.js'
import { inUserNamespace, launch, type Kept } from './launch.js'
import { parseDemoOptions } from './options.js'
import { formatTable, openScreen, type Screen } from './screen.js'
import { Stage } from './stage.js'
import { runStep, STEPS, type StepResult } from './steps.js'

/** Without real-time scheduling a busy machine is late by hundreds of milliseconds. */
const SLOWER_WITHOUT_REALTIME = 3
const EXIT_INTERRUPTED = 130

async function main(): Promise<number> {
  const options = parseDemoOptions(process.argv)
  const where = await launch(options)
  if (where !== 'here') return where.exitCode
  const screen = openScreen(options.json ? process.stderr : process.stdout)
  const obstacle = await labObstacle()
  if (obstacle !== null) {
    screen.say(`the demonstration cannot run here: ${obstacle}`)
    return 1
  }
  const slower = inUserNamespace() ? SLOWER_WITHOUT_REALTIME : 1
  if (slower !== 1) {
    screen.say('warning: not root, so no real-time scheduling: all times of ha.cf are three times longer')
  }
  const stage = await Stage.build({ example: readExample(), slower })
  endOnSignals(stage, screen)
  try {
    const results = await play(stage, screen)
    const good = results.every((result) => result.problem === null)
    screen.say(`\n${formatTable(results)}`)
    if (options.json) process.stdout.write(`${JSON.stringify({ ok: good, steps: results }, null, 2)}\n`)
    if (options.keep) await stay(stage, screen, good)
    return good ? 0 : 1
  } finally {
    await stage.close()
  }
}

async function play(stage: Stage, screen: Screen): Promise<StepResult[]> {
  const results: StepResult[] = []
  let act = ''
  screen.follow(stage, () => act)
  try {
    for (const step of STEPS) {
      act = step.name
      const result = await runStep(stage, step)
      results.push(result)
      const verdict = result.problem === null ? `${result.owner} serves` : `FAILED: ${result.problem}`
      screen.say(`${step.name}: ${verdict}, ${result.requestsLost} requests lost`)
      // Nothing can fail over that never ran: the other acts would only repeat the same sentence.
      if (result.problem !== null && step === STEPS[0]) break
    }
  } finally {
    screen.unfollow()
  }
  return results
}

/** Ctrl-C and kill take the machines down before the process ends. */
function endOnSignals(stage: Stage, screen: Screen): void {
  const end = (): void => {
    screen.unfollow()
    void stage.close().finally(() => process.exit(EXIT_INTERRUPTED))
  }
  process.on('SIGINT', end).on('SIGTERM', end)
}

/** Tells how to talk to the pair, releases whoever waits for the result, and waits for a signal. */
async function stay(stage: Stage, screen: Screen, good: boolean): Promise<void> {
  const user = inUserNamespace() ? '-U --preserve-credentials ' : ''
  screen.say('\nThe pair keeps running. To talk to it:')
  for (const { node, daemon } of stage.actors) {
    screen.say(`  nsenter -t ${node.pid} ${user}-m -u -i -n -p ${daemon.statusCommand().join(' ')}`)
  }
  screen.say(`To stop it:\n  kill ${process.pid}`)
  const kept: Kept = { type: 'kept', exitCode: good ? 0 : 1 }
  process.send?.(kept)
  await new Promise(() => setInterval(() => undefined, 3_600_000))
}

process.exitCode = await main()
