// `npm test`: everything a fresh clone needs, then every check and every test of the project, stage by stage.
//   npm test -- --list                      the stages
//   npm test -- --only unit,native          some of them
//   npm test -- test/wire                   only tests under these paths
// Stages that mostly wait, for machines of the lab to die and to come back, run beside those that compute.
// The last line is the sum: `N passed, N failed, N skipped`. A stage without a single test has failed.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { bootstrap, compileTypes } from './bootstrap.mjs'
import { nativeTests } from './native-tests.mjs'
import { cacheDir, root } from './node-home.mjs'
import { nodeLines, nodeOfLine } from './node-lines.mjs'
import { StepError, asCommand, neededStep, progress, runCommand } from './steps.mjs'

/** @typedef {{ passed: number, failed: number, skipped: number, notes?: string[] }} Counts */
/**
 * @typedef {{ paths: readonly string[], write: (text: string) => void }} StageInput
 * @typedef {(input: StageInput) => Promise<Counts>} RunStage
 * `waits`: it needs little of the processor, and what it needs it needs in time. `yields`: nothing in it has to be in time,
 * so it runs beside those that wait.
 * @typedef {{ name: string, what: string, byNameOnly?: true, waits?: true, yields?: true, run: RunStage }} Stage
 */

// Real kernels, real daemons. Each is a stage of its own.
const aloneFolders = ['install', 'netns', 'interop']
// node:test applies its time limit to a file as a whole as well.
const unitFileTimeoutMs = 180_000
const kernelFileTimeoutMs = 15 * 60_000
const stageTimeoutMs = 40 * 60_000

/** From the sources, not from dist: a test that was deleted is still there when it was built once. */
function testFiles() {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join('test', file))
    .sort()
}

/** @param {string} file */
const folderOf = (file) => (file.split(sep).length > 2 ? file.split(sep)[1] ?? '' : '')

let runs = 0

/**
 * @typedef {{ files: readonly string[], concurrency: number, timeoutMs: number, node?: string, yielding?: boolean }} TestGroup
 * @param {TestGroup & { write: (text: string) => void }} group @returns {Promise<Counts>}
 */
async function nodeTests({ files, concurrency, timeoutMs, write, node = process.execPath, yielding = false }) {
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0 }
  mkdirSync(cacheDir, { recursive: true })
  const result = join(cacheDir, `counts-${process.pid}-${runs++}.json`)
  rmSync(result, { force: true })
  const args = ['--enable-source-maps', '--test', `--test-concurrency=${concurrency}`, `--test-timeout=${timeoutMs}`,
    '--test-reporter=spec', '--test-reporter-destination=stdout',
    `--test-reporter=${join(root, 'scripts', 'count-reporter.mjs')}`, `--test-reporter-destination=${result}`,
    ...files.map((file) => join(root, 'dist', file.replace(/\.ts$/, '.js')))]
  const code = await runCommand(node, args, { cwd: root, timeoutMs: stageTimeoutMs, yielding, onOutput: write })
  const text = existsSync(result) ? readFileSync(result, 'utf8').trim() : ''
  rmSync(result, { force: true })
  if (text === '') {
    const note = `failed: the test runner ended with ${code} and left no counts`
    return { passed: 0, failed: 1, skipped: 0, notes: [note] }
  }
  const { passed, failed, skipped, empty, failures, skips } = JSON.parse(text)
  const shorten = (/** @type {string} */ line) =>
    line.replaceAll(join(root, 'dist', sep), '').replaceAll(join(root, sep), '')
  const notes = [
    ...failures.map((/** @type {string} */ line) => `failed: ${shorten(line)}`),
    ...empty.map((/** @type {string} */ file) => `failed: ${shorten(file)} has no tests`),
    ...skips.map((/** @type {string} */ line) => `skipped: ${shorten(line)}`)
  ]
  const unnamed = code !== 0 && failed + empty.length === 0 ? 1 : 0
  if (unnamed > 0) notes.push(`the test runner ended with ${code} and named no failed test`)
  return { passed, failed: failed + empty.length + unnamed, skipped, notes }
}

/**
 * As nodeTests, but a file with a failure is played once more, alone: a shared machine that stands still for a second
 * fails tests of real timers for a reason of its own. What failed once is named in the summary either way.
 * @param {Parameters<typeof nodeTests>[0]} options
 */
async function patientTests(options) {
  const first = await nodeTests(options)
  const failures = (first.notes ?? []).filter((note) => note.startsWith('failed: '))
  const isOf = (/** @type {string} */ note, /** @type {string} */ file) => note.includes(file.replace(/\.ts$/, ''))
  const again = options.files.filter((file) => failures.some((note) => isOf(note, file)))
  // A failure that belongs to no file of its own (a shared suite, a runner that died) would be lost by the second run.
  const homeless = failures.some((note) => !again.some((file) => isOf(note, file)))
  if (first.failed === 0 || again.length === 0 || homeless) return first
  options.write(`\n-- played again, alone: ${again.join(', ')}\n`)
  const second = await nodeTests({ ...options, files: again, concurrency: 1 })
  const once = (first.notes ?? []).map((note) => note.replace(/^failed: /, 'failed once: '))
  const cured = Math.max(0, first.failed - second.failed)
  return {
    passed: first.passed + cured, failed: second.failed, skipped: first.skipped, notes: [...once, ...second.notes ?? []]
  }
}

/** @param {readonly string[]} files @param {readonly string[]} paths */
function under(files, paths) {
  if (paths.length === 0) return files
  const wanted = paths.map((path) => relative(root, resolve(path)).replace(/^dist\//, '').replace(/\.js$/, '.ts'))
  return files.filter((file) => wanted.some((path) => file === path || file.startsWith(`${path}${sep}`)))
}

/** @param {() => Promise<unknown>} check @returns {Promise<Counts>} */
async function oneCheck(check) {
  await check()
  return { passed: 1, failed: 0, skipped: 0 }
}

async function lint() {
  const eslint = join(root, 'node_modules', 'eslint', 'bin', 'eslint.js')
  const args = [eslint, '.', '--max-warnings=0']
  const code = await runCommand(process.execPath, args, { cwd: root, timeoutMs: stageTimeoutMs, yielding: true })
  if (code !== 0) throw new StepError(`eslint ended with ${code}`)
}

async function types() {
  await compileTypes()
  const tsc = join(root, 'node_modules', 'typescript', 'lib', 'tsc.js')
  const args = [tsc, '-p', join(root, 'scripts', 'tsconfig.json')]
  await neededStep('tsc (scripts)', process.execPath, args, { cwd: root, timeoutMs: stageTimeoutMs })
}

/** The contract of the engine on the other Node lines; on this one it is among the unit tests. @type {RunStage} */
async function otherNodeLines({ write }) {
  const files = testFiles().filter((file) => folderOf(file) === 'contract')
  const sum = { passed: 0, failed: 0, skipped: 0, notes: /** @type {string[]} */ ([]) }
  for (const line of nodeLines) {
    const node = nodeOfLine(line)
    if (node === process.execPath) continue
    console.log(`-- Node ${line}: ${node}`)
    const counts = await nodeTests({ files, concurrency: 2, timeoutMs: unitFileTimeoutMs, node, write })
    sum.passed += counts.passed
    sum.failed += counts.failed
    sum.skipped += counts.skipped
    sum.notes.push(...(counts.notes ?? []).map((note) => `${note} on Node ${line}`))
  }
  return sum
}

/** @param {string} name @param {StageInput} input */
const filesOf = (name, { paths }) => under(testFiles().filter((file) => stageOf(file) === name), paths)

const tidyFile = join('test', 'tidy.test.ts')

/** @param {string} file */
function stageOf(file) {
  if (file === tidyFile) return 'tidy'
  const folder = folderOf(file)
  return aloneFolders.includes(folder) ? folder : 'unit'
}

/** @type {readonly Stage[]} */
const stages = [
  { name: 'types', what: 'tsc over everything', run: () => oneCheck(types) },
  { name: 'lint', what: 'eslint with type information', yields: true, run: () => oneCheck(lint) },
  {
    name: 'tidy',
    what: 'the house rules: layers, sizes, names',
    run: (input) =>
      nodeTests({ files: filesOf('tidy', input), concurrency: 1, timeoutMs: unitFileTimeoutMs, write: input.write })
  },
  { name: 'native', what: 'C++ tests (cmake, ctest)', run: () => nativeTests('debug') },
  {
    name: 'unit',
    what: 'node tests that need no kernel of their own',
    // Never a second time: what a random seed found once must stay found.
    run: (input) =>
      nodeTests({ files: filesOf('unit', input), concurrency: 2, timeoutMs: unitFileTimeoutMs, write: input.write })
  },
  { name: 'lines', what: 'the contract of the engine on the other Node lines', run: otherNodeLines },
  {
    name: 'install',
    what: 'a fresh clone installs itself (short form)',
    yields: true,
    run: (input) => nodeTests({
      files: filesOf('install', input), concurrency: 1, timeoutMs: kernelFileTimeoutMs, write: input.write, yielding: true
    })
  },
  {
    name: 'interop',
    what: 'beside the real heartbeat (short selection)',
    waits: true,
    // The cells decide for themselves which of them may be played again.
    run: (input) =>
      nodeTests({ files: filesOf('interop', input), concurrency: 1, timeoutMs: kernelFileTimeoutMs, write: input.write })
  },
  {
    name: 'netns',
    what: 'network namespaces of this machine',
    waits: true,
    run: (input) => patientTests({
      files: filesOf('netns', input), concurrency: 3, timeoutMs: kernelFileTimeoutMs, write: input.write
    })
  },
  {
    name: 'install-full',
    what: 'a fresh clone and a packed package, with npm (minutes)',
    byNameOnly: true,
    run: ({ write }) => nodeTests({
      files: [join('test', 'install', 'full.ts')], concurrency: 1, timeoutMs: kernelFileTimeoutMs, write
    })
  }
]

function parseArgs() {
  /** @type {{ list: boolean, yes: boolean, only: string[] | null, paths: string[] }} */
  const options = { list: false, yes: false, only: null, paths: [] }
  const args = process.argv.slice(2)
  while (args.length > 0) {
    const arg = args.shift() ?? ''
    if (arg === '--list') options.list = true
    else if (arg === '--yes') options.yes = true
    else if (arg === '--only') options.only = (args.shift() ?? '').split(',')
    else if (arg.startsWith('--only=')) options.only = arg.slice('--only='.length).split(',')
    else if (arg.startsWith('-')) {
      throw new StepError(`unknown option '${arg}'; there are --list, --only STAGES, --yes and paths`)
    } else options.paths.push(arg)
  }
  for (const name of options.only ?? []) {
    if (!stages.some((stage) => stage.name === name)) {
      throw new StepError(`no stage '${name}'; there are: ${stages.map((stage) => stage.name).join(' ')}`)
    }
  }
  return options
}

/** @param {ReturnType<typeof parseArgs>} options */
function chosenStages({ only, paths }) {
  if (only !== null) return stages.filter((stage) => only.includes(stage.name))
  if (paths.length === 0) return stages.filter((stage) => stage.byNameOnly !== true)
  const files = under(testFiles(), paths)
  const names = new Set(files.map(stageOf))
  return stages.filter((stage) => names.has(stage.name))
}

/** @typedef {Counts & { name: string, seconds: number }} Result */

/** @param {Stage} stage @param {StageInput} input @returns {Promise<Result>} */
async function runStage(stage, input) {
  const startedMs = performance.now()
  /** @type {Counts} */
  let counts
  try {
    counts = await stage.run(input)
    if (counts.passed + counts.failed === 0) {
      counts = { ...counts, failed: 1, notes: [...(counts.notes ?? []), 'failed: no test ran'] }
    }
  } catch (error) {
    if (!(error instanceof StepError)) throw error
    progress(error.message)
    counts = { passed: 0, failed: 1, skipped: 0, notes: [`failed: ${error.message.split('\n')[0]}`] }
  }
  return { ...counts, name: stage.name, seconds: (performance.now() - startedMs) / 1000 }
}

const heading = (/** @type {Stage} */ stage) => `\n== ${stage.name}: ${stage.what}\n`
const print = (/** @type {string} */ text) => void process.stdout.write(text)

/** One after the other, told while they run. @param {readonly Stage[]} some @param {readonly string[]} paths */
async function runInView(some, paths) {
  const results = []
  for (const stage of some) {
    print(heading(stage))
    results.push(await runStage(stage, { paths, write: print }))
  }
  return results
}

/** One after the other, each told as a whole when it is done. @param {readonly Stage[]} some @param {readonly string[]} paths */
async function runBeside(some, paths) {
  const results = []
  for (const stage of some) {
    print(`\n-- beside the others begins ${stage.name}; what it says follows when it is done\n`)
    let told = ''
    results.push(await runStage(stage, { paths, write: (text) => { told += text } }))
    print(`${heading(stage)}${told}`)
  }
  return results
}

/** Types first: what it compiles is what all others run. @param {readonly Stage[]} chosen @param {readonly string[]} paths */
async function runAll(chosen, paths) {
  const stagesOf = (/** @type {(stage: Stage) => boolean} */ is) => chosen.filter(is)
  const first = await runInView(stagesOf((stage) => stage.waits !== true && stage.yields !== true), paths)
  const yielding = stagesOf((stage) => stage.yields === true)
  const waiting = stagesOf((stage) => stage.waits === true)
  if (yielding.length === 0) return [...first, ...await runInView(waiting, paths)]
  return [...first, ...(await Promise.all([runInView(yielding, paths), runBeside(waiting, paths)])).flat()]
}

/** @param {readonly Result[]} results @param {number} setUpSeconds @param {number} allSeconds */
function printSummary(results, setUpSeconds, allSeconds) {
  const row = (/** @type {string} */ name, /** @type {(string | number)[]} */ ...cells) => {
    console.log(name.padEnd(13) + cells.map((cell) => String(cell).padStart(9)).join(''))
  }
  const sum = (/** @type {'passed' | 'failed' | 'skipped'} */ key) =>
    results.reduce((total, result) => total + result[key], 0)
  console.log('\n== summary')
  for (const { name, notes = [] } of results) for (const note of notes) console.log(`${name}: ${note}`)
  row('stage', 'passed', 'failed', 'skipped', 'seconds')
  row('set-up', '', '', '', setUpSeconds.toFixed(1))
  for (const { name, passed, failed, skipped, seconds } of results) {
    row(name, passed, failed, skipped, seconds.toFixed(1))
  }
  row('all', sum('passed'), sum('failed'), sum('skipped'), allSeconds.toFixed(1))
  console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`)
}

async function main() {
  const options = parseArgs()
  if (options.list) {
    for (const stage of stages) console.log(`${stage.name.padEnd(13)} ${stage.what}`)
    return
  }
  const startedMs = performance.now()
  const chosen = chosenStages(options)
  if (chosen.length === 0) throw new StepError('no test at these paths')
  // Whatever is chosen runs what was built from these sources.
  const compile = !chosen.some((stage) => stage.name === 'types')
  await bootstrap({ command: 'test', yes: options.yes, compile })
  const setUpSeconds = (performance.now() - startedMs) / 1000
  const results = await runAll(chosen, options.paths)
  printSummary(results, setUpSeconds, (performance.now() - startedMs) / 1000)
  process.exitCode = results.some((result) => result.failed > 0) ? 1 : 0
}

await asCommand(main)
