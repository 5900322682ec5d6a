// An agent action that is ended on the core's order: one result, at once, whatever the agent does.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { MemberRunEffect } from '../../src/core/effects.js'
import { Members } from '../../src/daemon/effects/members.js'
import { Lrm } from '../../src/lrm/lrm.js'
import { load } from '../config/support.js'

test('a start that hangs ends with its abort, and the stop after it runs', { timeout: 30_000 }, async () => {
  const haDir = mkdtempSync(join(tmpdir(), 'abort-'))
  mkdirSync(join(haDir, 'resource.d'))
  const script = join(haDir, 'resource.d', 'hangs')
  writeFileSync(script, '#!/bin/sh\ncase $1 in start) trap "" TERM; while :; do sleep 1; done ;; status) echo stopped ;; esac\n')
  chmodSync(script, 0o755)
  const { config } = load({ haresources: 'alpha hangs\n' })
  assert.ok(config)
  const lrm = new Lrm({ nodeName: 'alpha', haDir, graceMs: 3000, reapMs: 5000 })
  const members = new Members({
    lrm, addresses: null as never, close: () => Promise.resolve(null), slotOf: () => null, locate: () => 'nowhere',
    scene: () => ({
      fields: [], directives: [], ownStatus: 'active', niceFailback: true, dontAsk: false,
      logfile: null, debugfile: null, logfacility: null,
    }),
  })
  try {
    members.configure(config.groups, config.twinbeat, haDir)
    const group = config.groups[0]
    assert.ok(group)
    const order = (call: number, action: 'start' | 'stop'): MemberRunEffect => ({
      type: 'member.run', call, group: group.key, digest: group.digest, member: 'hangs', action,
      authority: action === 'stop' ? null : { kind: 'accept', peer: null, peerGeneration: 0 },
    })
    const started = members.run(order(1, 'start'))
    await new Promise((resolve) => { setTimeout(resolve, 300) })
    members.abort(99)
    const abortedAt = performance.now()
    members.abort(1)
    assert.equal((await started).outcome, 'failed')
    assert.ok(performance.now() - abortedAt < 2500, 'the result does not wait for the process')
    assert.equal((await members.run(order(2, 'stop'))).outcome, 'stopped')
  } finally {
    await lrm.close()
    rmSync(haDir, { recursive: true })
  }
})
