// Behaviour over time as transcripts: the script is here, the trace is kept in test/golden/core and read
// like code. UPDATE_GOLDEN=1 rewrites the files; the review reads the difference.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { nodeId } from '../../src/core/base/ids.js'
import { pairConfig, second, Stage } from './stage.js'

const folder = fileURLToPath(new URL('../../../test/golden/core/', import.meta.url))

export function transcript(name: string, play: () => Stage): void {
  test(`transcript: ${name}`, () => {
    const stage = play()
    const text = `${stage.trace.join('\n')}\n# at the end: ${stage.states()}\n`
    const file = `${folder}${name.replaceAll(' ', '-')}.txt`
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text)
    assert.equal(text, readFileSync(file, 'utf8'))
  })
}

transcript('cold start of both', () => {
  const stage = new Stage()
  stage.boot()
  stage.peerStatus('init')
  stage.peerStatus('up')
  stage.say({ t: 'reqnodes', dest: 'alpha' })
  stage.say({ t: 'repnodes', dest: 'alpha', nodelist: 'alpha beta ', delnodelist: ' ' })
  stage.peerStatus('active')
  stage.say({ t: 'starting' })
  stage.say({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '0' })
  stage.run(11 * second)
  stage.say({ t: 'resource', rsc_hold: 'local', rtype: 'full', isstable: '1', info: 'req_our_resources()' })
  stage.run(second)
  return stage
})

transcript('lone start', () => {
  const stage = new Stage()
  stage.boot()
  stage.run(20 * second)
  stage.peerDead(0)
  stage.run(second)
  return stage
})

transcript('death of the peer', () => {
  const stage = new Stage()
  stage.joinStable('local')
  stage.peerDead()
  stage.run(second)
  return stage
})

transcript('graceful stop', () => {
  const stage = new Stage()
  stage.joinStable('local')
  stage.operator('stop')
  stage.run(3 * second)
  return stage
})

transcript('graceful stop of the peer', () => {
  const stage = new Stage()
  stage.joinStable('local')
  stage.say({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '0', info: 'shutdown' })
  stage.run(second)
  stage.say({ t: 'shutdone', st: 'dead' })
  stage.run(5 * second)
  stage.peerDead()
  stage.run(second)
  return stage
})

for (const what of ['all', 'local', 'foreign'] as const) {
  transcript(`standby ${what} as giver`, () => {
    const stage = new Stage()
    if (what === 'foreign') {
      stage.joinStable('none')
      stage.say({ t: 'shutdone', st: 'dead' })
      stage.run(second)
      stage.peerStatus('up', 101)
      stage.peerStatus('active', 101)
      stage.say({ t: 'starting' })
      stage.say({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '1' })
    } else {
      stage.joinStable('local')
    }
    stage.operator('standby', what)
    stage.run(second / 10)
    stage.say({ t: 'ask_resources', rsc_hold: what, info: 'other' })
    stage.run(second)
    const theirs = what === 'local' ? 'all' : what === 'foreign' ? 'local' : 'all'
    stage.say({ t: 'resource', rsc_hold: theirs, rtype: 'full', isstable: '1' })
    stage.say({ t: 'ask_resources', rsc_hold: what, info: 'done' })
    stage.run(second)
    return stage
  })

  transcript(`standby ${what} as taker`, () => {
    const stage = new Stage()
    stage.joinStable(what === 'foreign' ? 'all' : 'local')
    stage.say({ t: 'ask_resources', rsc_hold: what, info: 'me' })
    stage.run(second / 10)
    const rest = what === 'foreign' ? 'local' : 'none'
    stage.say({ t: 'resource', rsc_hold: rest, rtype: 'full', isstable: '0', info: 'standby' })
    stage.say({ t: 'ask_resources', rsc_hold: what, info: 'done' })
    stage.run(second)
    stage.say({ t: 'resource', rsc_hold: rest, rtype: 'full', isstable: '1' })
    stage.run(second)
    return stage
  })
}

transcript('failback on', () => {
  const stage = new Stage(pairConfig({ autoFailback: 'on' }))
  stage.joinStable('local')
  stage.peerDead()
  stage.run(second)
  stage.peerStatus('up', 101)
  stage.peerStatus('active', 101)
  stage.say({ t: 'starting' })
  stage.say({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '0' })
  stage.run(second / 10)
  stage.say({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '1' })
  stage.say({ t: 'ask_resources', rsc_hold: 'foreign', info: 'other' })
  stage.run(second)
  stage.say({ t: 'ask_resources', rsc_hold: 'foreign', info: 'done' })
  stage.say({ t: 'resource', rsc_hold: 'local', rtype: 'full', isstable: '1' })
  stage.run(second)
  return stage
})

transcript('failback off', () => {
  const stage = new Stage()
  stage.joinStable('local')
  stage.peerDead()
  stage.run(second)
  stage.peerStatus('active', 101)
  stage.say({ t: 'starting' })
  stage.say({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '1' })
  stage.run(20 * second)
  return stage
})

transcript('fast restart of the peer', () => {
  const stage = new Stage()
  stage.joinStable('local')
  stage.peerStatus('init', 101)
  stage.peerStatus('up', 101)
  stage.say({ t: 'reqnodes', dest: 'alpha' })
  stage.peerStatus('active', 101)
  stage.say({ t: 'starting' })
  stage.say({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '0' })
  stage.run(second / 10)
  stage.say({ t: 'resource', rsc_hold: 'local', rtype: 'full', isstable: '1', info: 'req_our_resources()' })
  stage.run(second)
  return stage
})

transcript('heal after a partition that both noticed', () => {
  const stage = new Stage()
  stage.joinStable('local')
  stage.peerDead()
  stage.run(5 * second)
  stage.feed({ type: 'peer.returned', node: nodeId('beta'), generation: 100 }, 'engine: beta returned')
  stage.run(2 * second)
  stage.say({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '0', info: 'shutdown' })
  stage.run(second)
  stage.say({ t: 'shutdone', st: 'dead' })
  stage.run(12 * second)
  stage.peerStatus('up', 101)
  stage.peerStatus('active', 101)
  stage.say({ t: 'starting' })
  stage.run(second)
  return stage
})

transcript('heal after a partition that the peer did not notice', () => {
  const stage = new Stage()
  stage.joinStable('local')
  stage.peerDead()
  stage.run(5 * second)
  stage.feed({ type: 'peer.returned', node: nodeId('beta'), generation: 100 }, 'engine: beta returned')
  stage.run(5 * second)
  return stage
})

transcript('a pause longer than the announced dead time', () => {
  const stage = new Stage()
  stage.joinStable('local')
  stage.feed({ type: 'stall', us: 15 * second, muted: true }, 'engine: stalled for 15 s, muted')
  stage.run(second)
  stage.say({ t: 'repnodes', dest: 'alpha', nodelist: 'alpha beta ', delnodelist: ' ' })
  stage.say({ t: 'resource', rsc_hold: 'all', rtype: 'full', isstable: '1' })
  stage.run(second)
  return stage
})

for (const stopFailure of ['reset', 'block'] as const) {
  transcript(`stop failure with ${stopFailure}`, () => {
    const stage = new Stage(pairConfig({ stopFailure }))
    stage.joinStable('local')
    stage.failing.add('stop:httpd')
    stage.operator('standby', 'local')
    stage.say({ t: 'ask_resources', rsc_hold: 'local', info: 'other' })
    stage.run(5 * second)
    return stage
  })
}

transcript('start failure goes to the peer after half a minute', () => {
  const stage = new Stage()
  stage.failing.add('start:httpd')
  stage.joinStable('local')
  stage.run(30 * second)
  stage.say({ t: 'ask_resources', rsc_hold: 'local', info: 'other' })
  stage.run(second)
  stage.say({ t: 'ask_resources', rsc_hold: 'local', info: 'done' })
  stage.say({ t: 'resource', rsc_hold: 'all', rtype: 'full', isstable: '1' })
  stage.run(second)
  return stage
})

transcript('left behind and claimed by the peer', () => {
  const stage = new Stage()
  stage.running.add('ip-web').add('httpd')
  stage.joinStable('all')
  return stage
})

transcript('left behind and claimed by nobody', () => {
  const stage = new Stage()
  stage.running.add('ip-web').add('httpd')
  stage.joinStable('local')
  return stage
})

transcript('restart that keeps its groups', () => {
  const stage = new Stage()
  stage.joinStable('local')
  stage.operator('restart-keep')
  stage.run(2 * second)
  const next = new Stage()
  next.now = stage.now
  next.trace.push(...stage.trace, '# the next daemon')
  for (const member of stage.running) next.running.add(member)
  next.boot(stage.facts)
  next.peerStatus('active')
  next.say({ t: 'repnodes', dest: 'alpha', nodelist: 'alpha beta ', delnodelist: ' ' })
  next.say({ t: 'resource', rsc_hold: 'local', rtype: 'full', isstable: '1' })
  next.run(second)
  return next
})

transcript('legacy as asker', () => {
  const stage = new Stage(pairConfig({ autoFailback: 'legacy' }))
  stage.boot()
  stage.peerStatus('active')
  stage.say({ t: 'repnodes', dest: 'alpha', nodelist: 'alpha beta ', delnodelist: ' ' })
  stage.run(second)
  stage.say({ t: 'ip-request-resp', dest: 'alpha', ipaddr: 'web', weown: 'yes', ok: 'OK' })
  stage.run(second)
  stage.peerDead()
  stage.run(second)
  return stage
})

transcript('legacy as giver', () => {
  const stage = new Stage(pairConfig({ autoFailback: 'legacy' }))
  stage.boot()
  stage.run(20 * second)
  stage.peerDead(0)
  stage.run(second)
  stage.peerStatus('up', 101)
  stage.peerStatus('active', 101)
  stage.say({ t: 'ip-request', ipaddr: 'db' })
  stage.say({ t: 'ip-request', ipaddr: 'unknown' })
  stage.run(second)
  stage.operator('standby', 'all')
  stage.operator('stop')
  stage.run(3 * second)
  return stage
})

transcript('an announced shutdown is no release', () => {
  const stage = new Stage()
  stage.boot()
  stage.peerStatus('active')
  stage.say({ t: 'repnodes', dest: 'alpha', nodelist: 'alpha beta ', delnodelist: ' ' })
  stage.say({ t: 'resource', rsc_hold: 'foreign', info: 'mach_down' })
  stage.say({ t: 'resource', rsc_hold: 'none', rtype: 'full', isstable: '0', info: 'shutdown' })
  stage.run(15 * second)
  stage.say({ t: 'shutdone', st: 'dead' })
  stage.run(second)
  return stage
})
