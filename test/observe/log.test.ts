import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
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
