import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TwinbeatError } from '../../src/errors.js'
import { echoSequence, openIcmpProber } from '../../src/measure/icmp-prober.js'
import { openProber, type ProbeSink } from '../../src/measure/prober.js'

const sink: ProbeSink = { answered: () => undefined, refused: () => undefined, unsent: () => undefined }
const types4 = { request: 8, reply: 0, withIpHeader: true }
const types6 = { request: 128, reply: 129, withIpHeader: false }

function echo(type: number, identifier: number, sequence: number): Buffer {
  const packet = Buffer.alloc(16)
  packet.writeUInt8(type, 0)
  packet.writeUInt16BE(identifier, 4)
  packet.writeUInt16BE(sequence, 6)
  return packet
}

test('without the package raw-socket only echo requests are lost, and the error says what still works', async () => {
  const notFound = new Error("Cannot find package 'raw-socket'\nand a stack")
  await assert.rejects(openIcmpProber('10.0.0.1', sink, async () => await Promise.reject(notFound)), (error: unknown) => {
    assert.ok(error instanceof TwinbeatError)
    assert.deepEqual([error.code, error.exitCode], ['TB_MEASURE_ICMP', 2])
    assert.match(error.message, /^the package 'raw-socket' is not there: Cannot find package 'raw-socket'$/)
    assert.match(error.hint, /--port/)
    return true
  })
  const udp = await openProber({ kind: 'udp', address: '127.0.0.1', port: 9 }, sink)
  udp.close()
})

test('a raw socket that is not allowed says so', async () => {
  const refused = { Protocol: { ICMP: 1, ICMPv6: 58 }, AddressFamily: { IPv4: 1, IPv6: 2 } }
  const load = async (): Promise<never> => await Promise.resolve({
    ...refused, createSocket: () => { throw new Error('Operation not permitted') },
  } as never)
  await assert.rejects(openIcmpProber('10.0.0.1', sink, load), (error: unknown) =>
    error instanceof TwinbeatError && error.code === 'TB_MEASURE_SOCKET' && /not permitted/.test(error.message))
})

test('a name is no address', async () => {
  await assert.rejects(openProber({ kind: 'tcp', address: 'db.example', port: 80 }, sink), /'db\.example' is not an address/)
})

test('only answers to us are taken from what a raw socket hears', () => {
  const header = Buffer.alloc(20)
  header.writeUInt8(0x45, 0)
  const withHeader = (packet: Buffer): Buffer => Buffer.concat([header, packet])
  assert.equal(echoSequence(withHeader(echo(0, 7, 300)), types4, 7), 300)
  assert.equal(echoSequence(withHeader(echo(8, 7, 300)), types4, 7), null, 'a request')
  assert.equal(echoSequence(withHeader(echo(0, 8, 300)), types4, 7), null, 'of another process')
  assert.equal(echoSequence(echo(129, 7, 5), types6, 7), 5)
  for (let bytes = 0; bytes < 28; bytes++) {
    assert.equal(echoSequence(withHeader(echo(0, 7, 300)).subarray(0, bytes), types4, 7), null, 'cut short')
  }
})
