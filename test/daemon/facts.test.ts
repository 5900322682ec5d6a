// A state folder that does not answer: nobody waits longer than said, and nothing is written behind anybody's back.
// A fifo where the store makes its new file hangs an open(2) as a dead disk does, until somebody reads it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { it } from 'node:test'
import { pino } from 'pino'
import { until } from '../../lab/processes.js'
import { Facts } from '../../src/daemon/facts.js'
import { refuseHungDisk } from '../../src/daemon/disk-answers.js'
import { StateStore } from '../../src/store/state-store.js'

async function withFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(path.join(tmpdir(), 'tb-facts-'))
  try {
    await body(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** On a command line; of a process that has ended and is not yet collected there is none. */
const isNamedByAProcess = (text: string): boolean => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).some((pid) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text)
  } catch {
    return false // it ended meanwhile
  }
})

const hang = (file: string): void => { execFileSync('mkfifo', [file]) }
/** Whoever waits to write goes on, and fails: a fifo cannot be written through. */
const answer = (file: string): void => { closeSync(openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)) }

it('a fact that a hanging disk does not take is refused in time, and taken back when the disk answers', async () => {
  await withFolder(async (stateDir) => {
    const events: string[] = []
    const log = pino({}, { write: (json: string) => { events.push((JSON.parse(json) as { event: string }).event) } })
    const facts = new Facts({ stateDir, heartbeatDir: path.join(stateDir, 'none'), runDir: stateDir, log, answerMaxMs: 1_000 })
    await facts.store('kept', 'old')
    const fifo = path.join(stateDir, 'fact-stuck.json.new')
    hang(fifo)
    await assert.rejects(facts.store('stuck', 'a'), /did not answer within 1 s/)
    await assert.rejects(facts.store('kept', 'new'), /did not answer within 1 s/)
    assert.match(facts.problem ?? '', /hangs .*no group is handed over until it answers/)
    answer(fifo)
    await facts.store('after', 1)
    assert.equal(facts.problem, null)
    assert.deepEqual(new StateStore(stateDir).load(), { facts: { kept: 'old', after: 1 }, damaged: [] })
    assert.deepEqual(events, ['state.writable'])
  })
})

it('a start asks the disk first, refuses one that does not answer, and leaves nothing there', async () => {
  await withFolder(async (stateDir) => {
    const folders = { stateDir: path.join(stateDir, 'made', 'later'), heartbeatDir: path.join(stateDir, 'none') }
    await refuseHungDisk(folders)
    assert.deepEqual(readdirSync(stateDir), [])
    const fifo = path.join(stateDir, '.answers')
    hang(fifo)
    await assert.rejects(refuseHungDisk(folders, 100), /TB_STATE_WRITE|did not answer within 0\.1 s/)
    assert.ok(await until(() => !isNamedByAProcess(fifo), 5_000), 'somebody still waits for that disk')
  })
})
