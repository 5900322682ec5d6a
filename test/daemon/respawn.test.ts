import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import path from 'node:path'
import { it } from 'node:test'
import { pino, type Logger } from 'pino'
import type { RespawnConfig } from '../../src/config/model.js'
import { accountOf, Respawner } from '../../src/daemon/respawn.js'

const times = { restartDelayMs: 1, stopGraceMs: 200 }

function program(command: string, user = userInfo().username): RespawnConfig {
  return { user, path: '/bin/sh', args: ['-c', command], failfast: false, at: { file: 'ha.cf', line: 1, column: 1 } }
}

async function inFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(path.join(tmpdir(), 'tb-respawn-'))
  try {
    await body(dir)
  } finally {
    rmSync(dir, { recursive: true })
  }
}

function spy(): { log: Logger; lines: { event: string; msg: string }[] } {
  const lines: { event: string; msg: string }[] = []
  const write = (json: string): void => { lines.push(JSON.parse(json) as { event: string; msg: string }) }
  return { lines, log: pino({}, { write }) }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries += 1) {
    assert.ok(tries < 1000, 'waited ten seconds')
    await new Promise((resolve) => { setTimeout(resolve, 10) })
  }
}

it('a program that ends is started again; exit status 100 leaves it down', async () => {
  await inFolder(async (dir) => {
    const { log, lines } = spy()
    const respawner = new Respawner(log, times)
    respawner.start([program(`echo x >> ${dir}/runs; [ $(wc -l < ${dir}/runs) -lt 3 ] || exit 100`)], {})
    await until(() => lines.some((line) => line.event === 'respawn.down'))
    assert.equal(readFileSync(`${dir}/runs`, 'utf8'), 'x\nx\nx\n')
    assert.equal(lines.filter((line) => line.event === 'respawn.died').length, 2)
    assert.deepEqual(respawner.describe().map(({ state }) => state), ['down'])
    await respawner.stop()
  })
})

it('more than ten deaths in a row, each soon after its start, are enough', async () => {
  const { log, lines } = spy()
  const respawner = new Respawner(log, times)
  respawner.start([program('exit 3')], {})
  await until(() => lines.some((line) => line.event === 'respawn.given-up'))
  assert.equal(lines.filter((line) => line.event === 'respawn.started').length, 11)
  assert.match(lines.at(-1)?.msg ?? '', /^\/bin\/sh is not started again: it died 11 times .* last with exit status 3$/)
  await respawner.stop()
})

it('a program or a user that does not exist is named once and left alone', async () => {
  const { log, lines } = spy()
  const respawner = new Respawner(log, times)
  const missing = { ...program(''), path: '/nowhere/program' }
  respawner.start([missing, program('true', 'nobody-has-this-name')], {})
  await until(() => lines.filter((line) => line.event === 'respawn.given-up').length === 2)
  const said = lines.map((line) => line.msg).join('\n')
  assert.match(said, /\/nowhere\/program is not started again: .*ENOENT/)
  assert.match(said, /there is no user 'nobody-has-this-name'/)
  await respawner.stop()
})

it('stop ends the whole process group, with KILL after the grace, and nothing comes back', async () => {
  await inFolder(async (dir) => {
    const { log, lines } = spy()
    const respawner = new Respawner(log, times)
    respawner.start([program(`trap '' TERM; touch ${dir}/up; while :; do sleep 0.05; done`)], {})
    await until(() => existsSync(`${dir}/up`))
    await respawner.stop()
    assert.deepEqual(respawner.describe(), [])
    assert.equal(lines.filter((line) => line.event === 'respawn.started').length, 1)
  })
})

it('the environment of ha.cf reaches the program', async () => {
  await inFolder(async (dir) => {
    const respawner = new Respawner(spy().log, times)
    respawner.start([program(`echo "$HA_keepalive" > ${dir}/value; exit 100`)], { HA_keepalive: '200ms' })
    await until(() => existsSync(`${dir}/value`) && readFileSync(`${dir}/value`, 'utf8') === '200ms\n')
    await respawner.stop()
  })
})

it('an account is a line of passwd', () => {
  const passwd = 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/srv:/bin/false\n'
  assert.deepEqual(accountOf('web', passwd), { uid: 33, gid: 44, home: '/srv' })
  assert.equal(accountOf('none', passwd), null)
})

it('a program of failfast resets the machine when it dies abnormally, and is started again when it just ends', async () => {
  const outcomes: [string, boolean][] = [
    ['exit 3', true], ['kill -9 $$', true], ['exit 0', false], ['exit 100', false],
    // The death of the helper that runs it is not its own.
    ['kill -9 $PPID; sleep 60', false],
  ]
  for (const [command, resets] of outcomes) {
    const { log, lines } = spy()
    const told: string[] = []
    const respawner = new Respawner(log, times, (text) => { told.push(text) })
    respawner.start([{ ...program(command), failfast: true }], {})
    const settled = (): boolean => lines.some(({ event }) => /failfast|down|died/.test(event))
    for (let i = 0; i < 500 && !settled(); i += 1) await new Promise((resolve) => { setTimeout(resolve, 10) })
    await respawner.stop()
    assert.equal(told.length > 0, resets, command)
  }
})
