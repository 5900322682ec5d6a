import assert from 'node:assert/strict'
import { it } from 'node:test'
import { pino } from 'pino'
import { resetMachine, type ResetCommand } from '../../src/daemon/reset.js'

const eperm = 1

async function reset(command: ResetCommand | null): Promise<{ text: string; steps: string[] }> {
  const steps: string[] = []
  const log = pino({}, { write: (json: string) => { steps.push((JSON.parse(json) as { msg: string }).msg) } })
  const text = await resetMachine(command, {
    log, commandMaxMs: 200, goneMaxMs: 10,
    flush: async () => { steps.push('flush'); await Promise.resolve() },
    rebootNow: () => { steps.push('reboot'); return -eperm },
  })
  return { text, steps }
}

it('without a command the machine is reset by reboot(2), and a refusal is told', async () => {
  const { text, steps } = await reset(null)
  assert.deepEqual(steps, ['flush', 'reboot'])
  assert.equal(text, 'reboot(2) failed (EPERM): this machine could not be reset')
})

for (const [what, command, said] of [
  ['fails', { path: '/bin/false', args: [] }, "'/bin/false' ended with status 1"],
  ['says that it worked', { path: '/bin/true', args: [] }, "'/bin/true' ended with status 0"],
  ['hangs', { path: '/bin/sleep', args: ['2'] }, "'/bin/sleep' did not end within 0.2 s"],
  ['is missing', { path: '/nowhere', args: [] }, "'/nowhere' cannot be started: spawn /nowhere ENOENT"],
] as const) {
  it(`a command that ${what} is followed by reboot(2)`, async () => {
    const { steps } = await reset(command)
    assert.deepEqual(steps, [`reset_command ${said}: falling back to reboot(2)`, 'flush', 'reboot'])
  })
}
