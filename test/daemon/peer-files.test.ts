import assert from 'node:assert/strict'
import { it } from 'node:test'
import { micros } from '../../src/core/base/ids.js'
import { PeerFiles } from '../../src/daemon/peer-files.js'
import type { EngineRecord, Field } from '../../src/engine/engine.js'

const files = { haCf: 'a'.repeat(64), authkeys: 'b'.repeat(64), haresources: 'c'.repeat(64), twinbeatCf: null }
const hello: EngineRecord = {
  type: 'peer.status', at: micros(1), node: 'beta', kind: 'normal', status: 'up', generation: 1, deadtimeUs: 1,
  twinbeat: '1', uuid: '',
}
const message = (fields: readonly Field[]): EngineRecord => ({
  type: 'message', at: micros(1), from: 'beta', link: 'eth0', fields,
})

function pair(other = files): { sent: Field[][]; own: PeerFiles; peer: PeerFiles; exchange: () => void } {
  const sent: Field[][] = []
  const send = (fields: readonly Field[]): 'queued' => {
    sent.push([...fields])
    return 'queued'
  }
  const own = new PeerFiles({ send }, files)
  const peer = new PeerFiles({ send }, other)
  const exchange = (): void => {
    peer.onRecord(hello)
    own.onRecord(message(sent.at(-1) ?? []))
  }
  return { sent, own, peer, exchange }
}

it('equal files are the same, before the peer has spoken nothing is known', () => {
  const { own, exchange } = pair()
  assert.equal(own.verdict(), null)
  exchange()
  assert.equal(own.verdict(), 'same')
})

it('names the files that differ', () => {
  const { own, exchange } = pair({ ...files, haresources: 'd'.repeat(64) })
  exchange()
  assert.equal(own.verdict(), 'different: haresources')
})

it('says nothing to a real heartbeat and forgets a dead peer', () => {
  const { own, exchange, sent } = pair()
  own.onRecord({ ...hello, twinbeat: null })
  assert.equal(sent.length, 0)
  exchange()
  own.onRecord({ type: 'peer.dead', at: micros(2), node: 'beta', kind: 'normal', generation: 1, silentUs: 1, links: [] })
  assert.equal(own.verdict(), null)
})
