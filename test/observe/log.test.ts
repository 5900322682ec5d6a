import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { it } from 'node:test'
import { formatText, openLog, type LogTargets } from '../../src/observe/log.js'

const none: LogTargets = {
  logFile: null,
  debugFile: null,
  facility: null,
  format: 'text',
  stderr: false,
  debug: false,
}

it('a line has the form that people of Heartbeat read, and foreign text cannot forge a second line', () => {
  const text = formatText(
    { level: 40, time: Date.UTC(2026, 10, 22, 12), event: 'peer.dead', msg: 'beta\nNov 1 forged' },
    'alpha',
    7,
  )
  assert.match(
    text,
    /^\w{3} [ \d]\d \d\d:\d\d:\d\d alpha twinbeatd: \[7\]: WARN: peer\.dead: beta Nov 1 forged\n$/,
  )
})

it('logfile takes info and above, debugfile everything, and both are opened anew after logrotate', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tb-log-'))
  const logFile = path.join(dir, 'ha-log')
  const debugFile = path.join(dir, 'ha-debug')
  try {
    const log = openLog('alpha', 7, { ...none, logFile, debugFile, debug: true })
    log.logger.debug('thought')
    log.logger.info({ event: 'peer.up' }, 'first')
    await log.flush(2000)
    renameSync(logFile, `${logFile}.1`)
    log.reopen()
    log.logger.info('second')
    await log.flush(2000)
    assert.match(readFileSync(`${logFile}.1`, 'utf8'), /info: peer\.up: first\n$/)
    assert.match(readFileSync(logFile, 'utf8'), /^[^\n]*info: second\n$/)
    assert.match(readFileSync(debugFile, 'utf8'), /debug: thought\n.*first\n.*second\n$/)
  } finally {
    rmSync(dir, { recursive: true })
  }
})

it('a full disk loses lines, counts them and stops nothing', async () => {
  const log = openLog('alpha', 7, { ...none, logFile: '/dev/full' })
  log.logger.info('lost')
  await log.flush(500)
  log.logger.info('lost too')
  await log.flush(500)
  assert.ok(log.dropped() > 0)
})

it('a fifo that nobody reads loses lines, says why, and holds no thread of the pool', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tb-log-'))
  const logFile = path.join(dir, 'fifo')
  try {
    execFileSync('mkfifo', [logFile])
    const log = openLog('alpha', 7, { ...none, logFile })
    for (let index = 0; index < 8; index += 1) log.reopen()
    log.logger.info('lost')
    await log.flush(2000)
    assert.equal(log.dropped(), 1)
    assert.deepEqual(log.problems(), [`log lines are lost: '${logFile}' cannot be written: ENXIO`])
    // Four threads: were one of them stuck in the fifo, reads would still work; were all, this would hang.
    await Promise.all(Array.from({ length: 8 }, async () => await readFile('/proc/self/stat')))
  } finally {
    rmSync(dir, { recursive: true })
  }
})

it('the first line that gets through says how many were lost and why', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tb-log-'))
  const logFile = path.join(dir, 'late', 'ha-log')
  try {
    const log = openLog('alpha', 7, { ...none, logFile })
    log.logger.info('lost')
    await log.flush(2000)
    log.logger.info('lost as well: the next try is a second away')
    mkdirSync(path.dirname(logFile))
    await new Promise((resolve) => { setTimeout(resolve, 1100) })
    log.logger.info('written')
    await log.flush(2000)
    await log.flush(2000)
    assert.equal(log.dropped(), 2)
    assert.deepEqual(log.problems(), [])
    assert.match(readFileSync(logFile, 'utf8'), /info: written\n.*WARN: log\.recovered: '.*' takes lines again; 2 were lost: ENOENT\n$/)
  } finally {
    rmSync(dir, { recursive: true })
  }
})

it('new targets keep the count of the old ones and lose no line', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tb-log-'))
  const first = path.join(dir, 'first')
  const second = path.join(dir, 'second')
  try {
    const log = openLog('alpha', 7, { ...none, logFile: '/dev/full' })
    log.logger.info('lost')
    await log.flush(2000)
    log.retarget({ ...none, logFile: first })
    log.logger.info('one')
    log.retarget({ ...none, logFile: second })
    log.logger.info('two')
    await log.flush(2000)
    assert.equal(log.dropped(), 1)
    assert.match(readFileSync(second, 'utf8'), /two\n$/)
    await until(() => existsSync(first) && readFileSync(first, 'utf8').endsWith('one\n'))
  } finally {
    rmSync(dir, { recursive: true })
  }
})

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries += 1) {
    assert.ok(tries < 200, 'waited two seconds')
    await new Promise((resolve) => { setTimeout(resolve, 10) })
  }
}
