// One step of a longer command: a line when it starts, a line with its time when it is done, its output
// only when it fails. Asynchronous on purpose: a signal must find us able to clean up while a child runs.
import { spawn } from 'node:child_process'
import { StepError } from './node-home.mjs'

// Enough to hold the first error of a compiler run, small enough to keep in memory.
const keptBytesMax = 256 * 1024
const shownLinesMax = 60
const pipeMaxMs = 2000

/**
 * `yielding`: whatever else wants the processor comes first.
 * @typedef {{ cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs?: number, gentle?: boolean, yielding?: boolean }} RunOptions
 */

export { StepError }

/** @param {string} text */
export function progress(text) {
  console.error(`twinbeat: ${text}`)
}

/** @type {Set<() => void>} what must be undone when we are stopped */
const undo = new Set()
/** @type {Set<(late: boolean) => void>} how to ask each running child to end */
const endings = new Set()
/** @type {NodeJS.Signals | null} */
let stopped = null

/** @param {() => void} action @returns {() => void} runs it now and forgets it */
export function undoOnExit(action) {
  const once = () => {
    if (undo.delete(once)) action()
  }
  undo.add(once)
  return once
}

/** The signal that asked us to stop, or null. */
export const stopSignal = () => stopped

/**
 * Ctrl-C and kill: the running child ends first, then everything is undone.
 * @returns {() => void} gives the signals back
 */
export function guardSignals() {
  const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])
  const onSignal = (/** @type {NodeJS.Signals} */ signal) => {
    stopped ??= signal
    for (const end of endings) end(false)
    if (endings.size === 0) process.exit(130)
  }
  for (const signal of signals) process.on(signal, onSignal)
  process.on('exit', () => {
    for (const action of [...undo].reverse()) action()
  })
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
}

/** @param {import('node:child_process').ChildProcess} child @param {NodeJS.Signals} signal */
function killGroup(child, signal) {
  try {
    process.kill(-(/** @type {number} */ (child.pid)), signal)
  } catch {
    // ended between the look and the kill
  }
}

/**
 * A gentle child is only asked, alone and by SIGINT: apt stops a download at that, but not a dpkg at work.
 * @param {import('node:child_process').ChildProcess} child @param {boolean} gentle @param {boolean} late
 */
function endChild(child, gentle, late) {
  if (gentle) {
    child.kill('SIGINT')
    return
  }
  killGroup(child, 'SIGTERM')
  if (late) setTimeout(() => killGroup(child, 'SIGKILL'), 5000).unref()
}

/**
 * Runs a command in its own process group; with no `onOutput` its output goes to ours.
 * @param {string} command @param {readonly string[]} args
 * @param {RunOptions & { onOutput?: (chunk: string) => void }} [options]
 * @returns {Promise<number>} the exit code; -1 when it could not be started, -2 when it was too slow
 */
export function runCommand(command, args, options = {}) {
  return new Promise((done) => {
    const { cwd, env, timeoutMs, gentle = false, yielding = false, onOutput } = options
    const out = onOutput ? 'pipe' : 'inherit'
    const [program = '', ...words] = yielding ? ['nice', '-n', '10', command, ...args] : [command, ...args]
    const child = spawn(program, words, { cwd, env, stdio: ['ignore', out, out], detached: true })
    const askToEnd = (/** @type {boolean} */ isLate) => endChild(child, gentle, isLate)
    endings.add(askToEnd)
    let late = false
    const timer = timeoutMs === undefined ? null : setTimeout(() => {
      late = true
      askToEnd(true)
    }, timeoutMs)
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8')
      stream?.on('data', (/** @type {string} */ chunk) => onOutput?.(chunk))
    }
    const end = (/** @type {number} */ code) => {
      if (timer !== null) clearTimeout(timer)
      endings.delete(askToEnd)
      if (stopped !== null) process.exit(130)
      done(late ? -2 : code)
    }
    child.on('error', (error) => {
      onOutput?.(String(error))
      end(-1)
    })
    // What was written before the exit is still read, but not for long: a grandchild in the background may hold our
    // pipe for ever.
    child.on('exit', (code) => {
      const limit = setTimeout(() => end(code ?? -1), pipeMaxMs)
      child.once('close', () => {
        clearTimeout(limit)
        end(code ?? -1)
      })
    })
  })
}

/**
 * A quiet step. @param {string} label @param {string} command @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<{ ok: boolean, output: string }>}
 */
export async function quietStep(label, command, args, options = {}) {
  progress(`${label} ...`)
  const startedMs = performance.now()
  let output = ''
  const code = await runCommand(command, args, {
    ...options,
    onOutput: (chunk) => {
      output = (output + chunk).slice(-keptBytesMax)
    }
  })
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  const outcome = code === 0 ? 'done' : code === -2 ? 'too slow, stopped' : `failed (exit code ${code})`
  progress(`${label}: ${outcome} in ${seconds} s`)
  return { ok: code === 0, output }
}

/** The same, for a step that must succeed. @param {Parameters<typeof quietStep>} step */
export async function neededStep(...step) {
  const result = await quietStep(...step)
  if (result.ok) return
  const lines = result.output.trimEnd().split('\n')
  const shown = lines.slice(-shownLinesMax).map((line) => `    ${line}`).join('\n')
  throw new StepError(`${step[0]} failed; its last lines:\n${shown}`)
}

/** A script as a whole: signals are guarded, and a step that failed is said without a stack. @param {() => Promise<void>} main */
export async function asCommand(main) {
  guardSignals()
  try {
    await main()
  } catch (error) {
    if (!(error instanceof StepError)) throw error
    progress(error.message)
    process.exitCode = 1
  }
}
