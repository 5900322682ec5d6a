import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { labObstacle } from '../../lab/lab.js'
import { pids, commandLine, until } from '../../lab/processes.js'
import { twinbeatObstacle } from '../../lab/twinbeat-node.js'

const DEMO = fileURLToPath(new URL('../../demo/main.js', import.meta.url))
const obstacle = (await labObstacle()) ?? twinbeatObstacle()
const needsLab = { skip: obstacle ?? false, timeout: 180_000 }

interface Report {
  readonly ok: boolean
  readonly steps: readonly { readonly step: string, readonly owner: string | null, readonly problem: string | null }[]
}

const labFolders = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('twinbeat-lab-demo-'))

test('the demonstration ends every act with one owner, within a minute', needsLab, async () => {
  const fromMs = performance.now()
  const child = spawn(process.execPath, [DEMO, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => { out += chunk.toString() })
  const [code] = (await once(child, 'close')) as [number]
  const report = JSON.parse(out) as Report
  assert.deepEqual(report.steps.filter((step) => step.problem !== null), [])
  assert.equal(report.steps.length, 7)
  assert.equal(report.ok, true)
  assert.equal(code, 0)
  assert.ok(performance.now() - fromMs < 60_000, 'longer than a minute')
})

test('an interrupted demonstration leaves nothing', needsLab, async () => {
  const before = new Set(labFolders())
  const child = spawn(process.execPath, [DEMO], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  const own = labFolders().filter((name) => !before.has(name))
  child.kill('SIGINT')
  const [code] = (await once(child, 'close')) as [number]
  assert.equal(code, 130)
  const left = (): string[] => [
    ...labFolders().filter((name) => own.includes(name)),
    ...pids().map((pid) => commandLine(pid).join(' ')).filter((line) => own.some((name) => line.includes(name))),
  ]
  assert.ok(await until(() => left().length === 0, 5_000), left().join(', '))
})
