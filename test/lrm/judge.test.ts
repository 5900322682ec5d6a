import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { heartbeatClass } from '../../src/lrm/agents/heartbeat.js'
import { lsbClass } from '../../src/lrm/agents/lsb.js'
import { ocfClass } from '../../src/lrm/agents/ocf.js'
import { exitReason, lastLine, ownedByText } from '../../src/lrm/judge.js'
import { maskParameters, maskText } from '../../src/lrm/secrets.js'
import type { AgentAction, RawOutcome } from '../../src/lrm/types.js'

const raw = (
  exitCode: number | null,
  stdout = '',
  stderr = '',
  signal: string | null = null,
): RawOutcome => ({
  exitCode,
  signal,
  stdout,
  stderr,
})

test('the words of a status answer decide as haresources users know it', () => {
  const yes = [
    'running',
    'Running',
    'apache is running (pid 7)',
    'INFO: Running OK',
    'OK',
    'xOKx',
    'nothing running',
  ]
  const no = [
    '',
    'not running',
    'Not Running',
    'nOt running',
    'RUNNING',
    'ok',
    'stopped',
    'OK, not running',
    'not all running',
    'pid 1 is alive',
  ]
  for (const text of yes) assert.equal(ownedByText(text), true, text)
  for (const text of no) assert.equal(ownedByText(text), false, text)
})

test('"not ", then "running" behind it, wins over every other word', () => {
  const not = fc.constantFrom('not ', 'Not ', 'NOT ')
  const running = fc.constantFrom('running', 'Running')
  fc.assert(
    fc.property(fc.string(), not, fc.string(), running, fc.string(), (a, no, b, yes, c) => {
      assert.equal(ownedByText(a + no + b + yes + c), false)
    }),
  )
})

test('text without the words is never owned, with one of them and no negation always', () => {
  const plain = fc.string().filter((text) => !/running|OK/i.test(text))
  fc.assert(
    fc.property(
      plain,
      plain,
      fc.constantFrom('running', 'Running', 'OK'),
      (before, after, word) => {
        fc.pre(!/running|ok/i.test(before + after))
        assert.equal(ownedByText(before + after), false)
        if (!/not /i.test(before + word)) assert.equal(ownedByText(before + word + after), true)
      },
    ),
  )
})

test('the exit reason is the text of the last line that has one', () => {
  const noise = fc.string().filter((text) => !text.includes('ocf-exit-reason:'))
  const reason = fc
    .string({ minLength: 1, maxLength: 200 })
    .filter((text) => !/[\r\n]/.test(text) && text.trim() !== '')
  fc.assert(
    fc.property(
      noise,
      fc.array(reason, { minLength: 1, maxLength: 4 }),
      noise,
      (before, reasons, after) => {
        const lines = reasons.map((text) => `ocf-exit-reason:${text}`)
        const expected = (reasons.at(-1) ?? '').trim()
        assert.equal(exitReason([before, ...lines, after].join('\n')), expected)
        assert.equal(exitReason(before + '\n' + after), null)
      },
    ),
  )
})

test('a reason is bounded and arbitrary output never breaks the readers', () => {
  fc.assert(
    fc.property(fc.string({ size: 'large' }), (text) => {
      assert.ok((exitReason(`ocf-exit-reason:${text}`) ?? '').length <= 512)
      assert.ok((lastLine(text) ?? '').length <= 512)
    }),
  )
})

test('heartbeat status ignores the exit code', () => {
  const state = (code: number, text: string): string =>
    heartbeatClass.interpret('probe', raw(code, text)).state
  assert.equal(state(1, 'running'), 'running')
  assert.equal(state(0, 'not running'), 'stopped')
  assert.equal(state(0, 'pid 1 is alive'), 'stopped')
  assert.equal(state(3, ''), 'stopped')
  assert.match(
    heartbeatClass.interpret('probe', raw(0, 'pid 1 is alive')).reason ?? '',
    /did not print/,
  )
})

test('a heartbeat script that could not run says nothing about its service', () => {
  assert.deepEqual(heartbeatClass.interpret('probe', raw(127, '', 'sh: foo: not found')), {
    ok: false,
    state: 'unknown',
    degraded: false,
    reason: 'status ended with exit code 127: sh: foo: not found',
    execution: 'done',
  })
})

test('heartbeat start and stop go by exit code, whatever they print', () => {
  assert.equal(heartbeatClass.interpret('start', raw(0, 'not running')).ok, true)
  assert.equal(heartbeatClass.interpret('stop', raw(1, 'OK')).ok, false)
})

test('LSB status codes give the states of the contract', () => {
  const states = [0, 1, 2, 3, 4, 5, 150].map(
    (code) => lsbClass.interpret('monitor', raw(code)).state,
  )
  assert.deepEqual(states, [
    'running',
    'stopped',
    'stopped',
    'stopped',
    'unknown',
    'unknown',
    'unknown',
  ])
  assert.match(lsbClass.interpret('probe', raw(1)).reason ?? '', /pid file/)
})

test('LSB text that contradicts the exit code is reported, the code stands', () => {
  const judgement = lsbClass.interpret('probe', raw(0, 'foo is stopped'))
  assert.equal(judgement.state, 'running')
  assert.match(judgement.reason ?? '', /foo is stopped/)
})

test('OCF exit codes give the states of the contract', () => {
  const table: [AgentAction, number, string][] = [
    ['probe', 0, 'ok running'],
    ['probe', 7, 'ok stopped'],
    ['probe', 5, 'ok stopped'],
    ['probe', 8, 'ok promoted'],
    ['probe', 190, 'ok running degraded'],
    ['probe', 191, 'ok promoted degraded'],
    ['probe', 1, 'bad failed'],
    ['probe', 2, 'bad unknown'],
    ['probe', 6, 'bad unknown'],
    ['probe', 9, 'bad failed'],
    ['probe', 255, 'bad failed'],
    ['monitor', 0, 'ok running'],
    ['monitor', 7, 'ok stopped'],
    ['monitor', 5, 'bad failed'],
    ['monitor', 8, 'ok promoted'],
    ['start', 0, 'ok running'],
    ['start', 7, 'bad stopped'],
    ['start', 8, 'bad failed'],
    ['start', 190, 'ok running degraded'],
    ['start', 5, 'bad failed'],
    ['stop', 0, 'ok stopped'],
    ['stop', 7, 'ok stopped'],
    ['stop', 8, 'bad failed'],
    ['stop', 5, 'bad failed'],
    ['promote', 0, 'ok promoted'],
    ['demote', 0, 'ok running'],
    ['notify', 1, 'ok unknown'],
    ['validate-all', 6, 'bad unknown'],
  ]
  for (const [action, code, expected] of table) {
    const { ok, state, degraded } = ocfClass.interpret(action, raw(code))
    assert.equal(
      `${ok ? 'ok' : 'bad'} ${state}${degraded ? ' degraded' : ''}`,
      expected,
      `${action} ${code}`,
    )
  }
})

test('every class answers every exit code of every action', () => {
  const actions: AgentAction[] = [
    'probe',
    'start',
    'stop',
    'monitor',
    'promote',
    'demote',
    'notify',
    'reload',
    'reload-agent',
    'recover',
    'migrate_to',
    'migrate_from',
    'validate-all',
    'meta-data',
  ]
  fc.assert(
    fc.property(
      fc.constantFrom(...actions),
      fc.integer({ min: 0, max: 255 }),
      fc.string(),
      fc.string(),
      (action, code, out, err) => {
        for (const agentClass of [heartbeatClass, lsbClass, ocfClass]) {
          const judgement = agentClass.interpret(action, raw(code, out, err))
          assert.equal(typeof judgement.ok, 'boolean')
          if (!judgement.ok) assert.ok(judgement.reason !== null && judgement.reason !== '')
        }
      },
    ),
  )
})

test('parameters that look like passwords are masked, in lists and in text', () => {
  const parameters = { user: 'admin', passwd: 'hunter2!', PASSWORD_file: '/etc/secret' }
  assert.deepEqual(maskParameters(parameters), {
    user: 'admin',
    passwd: '********',
    PASSWORD_file: '********',
  })
  assert.equal(
    maskText('login admin with hunter2! failed', parameters),
    'login admin with ******** failed',
  )
  assert.equal(maskText('abc', { passwd: 'a' }), 'abc')
})
