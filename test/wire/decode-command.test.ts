import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Writable } from 'node:stream'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import {
  decodeCommand, decodeHexLine, decodeHexLines, decodePackets, maxHexLineChars,
} from '../../src/cli/commands/decode.js'
import { Decoder, type DecodedMessage } from '../../src/engine/decode.js'
import { text } from '../../src/engine/engine.js'
import { TwinbeatError } from '../../src/errors.js'
import { bytes, chunks, echo, ethernet, ipv4, pcap, udp } from './captures.js'

const keys = { signIndex: 1, keys: [{ index: 1, method: 'sha1', key: 'lab-secret-key' }] } as const

function message(seq: number, type = 'status'): Buffer {
  const fields = [
    text('t', type), text('src', 'nodea'), text('seq', seq.toString(16)), text('hg', 'a'), text('ts', '1'),
  ]
  const encoded = new Decoder(keys).encode(fields, { encoding: 'netstring', innerAuth: true })
  assert.ok(encoded)
  return Buffer.from(encoded)
}

class Collected extends Writable {
  text = ''
  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString('utf8')
    setImmediate(done) // slow enough that a writer meets a full buffer
  }
}

async function* pieces(input: string, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < input.length; at += size) {
    await Promise.resolve()
    yield Buffer.from(input.slice(at, at + size), 'latin1')
  }
}

async function decodeText(input: string, stateful = false, size = 1000): Promise<DecodedMessage[]> {
  const output = new Collected()
  const decoder = new Decoder(keys)
  const decode = (data: Uint8Array): DecodedMessage => stateful ? decoder.decodeInOrder(data) : decoder.decode(data)
  await decodeHexLines(pieces(input, size), output, decode)
  await new Promise<void>((resolve) => { output.end(resolve) })
  return output.text.split('\n').slice(0, -1).map((line) => JSON.parse(line) as DecodedMessage)
}

test('each line is answered by one object with exactly the agreed members', async () => {
  const [answer, ...rest] = await decodeText(`${message(1).toString('hex')}\n`)
  assert.equal(rest.length, 0)
  assert.ok(answer)
  assert.deepEqual(Object.keys(answer), ['valid', 'reason', 'encoding', 'auth', 'fields'])
  assert.equal(answer.valid, true)
  assert.equal(answer.reason, null)
  assert.equal(answer.encoding, 'netstring')
  assert.deepEqual(answer.auth, { method: 'sha1', index: 1 })
  assert.deepEqual(answer.fields[0], { name: 't', type: 0, value: 'status' })
})

test('lines come out alike whatever the pieces, CR LF and a missing last line end', async () => {
  const input = `${message(1).toString('hex')}\r\nxyz\n\n${message(2).toString('hex').toUpperCase()}`
  const expected = await decodeText(input)
  assert.deepEqual(expected.map(({ reason }) => reason), [
    null, 'malformed: character 1 is not a hexadecimal digit', 'malformed: an empty line', null])
  for (const size of [1, 2, 61]) assert.deepEqual(await decodeText(input, false, size), expected)
})

test('only with --stateful the messages before count', async () => {
  const input = [1, 2, 2, 1].map((seq) => message(seq).toString('hex')).join('\n')
  const codes = (answers: readonly DecodedMessage[]): (string | undefined)[] =>
    answers.map(({ reason }) => reason?.split(':')[0])
  assert.deepEqual(codes(await decodeText(input)), [undefined, undefined, undefined, undefined])
  assert.deepEqual(codes(await decodeText(input, true)), [undefined, undefined, 'replay', 'replay'])
})

test('a line that is too long is dropped and the next one decoded', async () => {
  const answers = await decodeText(`${'ab'.repeat(maxHexLineChars)}\n${message(1).toString('hex')}\n`, false, 50_000)
  assert.deepEqual(answers.map(({ valid }) => valid), [false, true])
  assert.match(answers[0]?.reason ?? '', /^malformed: a line of 262156 characters/)
})

test('any line is decoded or refused, never thrown at', () => {
  const decoder = new Decoder(keys)
  const hex = fc.uint8Array({ maxLength: 300 }).map((data) => Buffer.from(data).toString('hex'))
  const started = hex.map((rest) => Buffer.from('###\n').toString('hex') + rest)
  fc.assert(fc.property(fc.oneof(fc.string(), hex, started), (line) => {
    const answer = decodeHexLine(line, (data) => decoder.decodeInOrder(data))
    assert.equal(answer.valid, answer.reason === null)
    assert.ok(!answer.valid)
  }), { numRuns: 2000 })
})

test('a capture gives time, source and destination; other traffic is passed over', () => {
  const file = pcap([
    { data: ethernet(ipv4(udp(message(1)))), seconds: 1_700_000_000, fraction: 5 },
    { data: ethernet(ipv4(udp(message(2), 5405))) },
    { data: ethernet(ipv4(udp(Buffer.from('not for us'), 53))) },
    { data: ethernet(ipv4(udp(Buffer.from('rubbish')))) },
    { data: ethernet(ipv4(echo(message(3)), { protocol: 1 })) },
    { data: ethernet(ipv4(echo(Buffer.from('abcdefgh')), { protocol: 1 })) },
    { data: ethernet(ipv4(udp(message(4)), { fragment: 0x2000, id: 9 })) },
    { data: ethernet(ipv4(bytes([1, 2, 3]), { fragment: 0x0003, id: 9 })) },
    { data: ethernet(ipv4(bytes([1, 2, 3]), { fragment: 0x0003, id: 10 })) },
  ])
  const decoder = new Decoder(keys)
  const packets = [...decodePackets(chunks(file, 100), (data) => decoder.decode(data), 694)]
  assert.deepEqual(packets.map(({ valid, reason }) => reason ?? valid), [
    true, true, 'malformed: it begins with neither start marker', true,
    'truncated: IP fragment at offset 0; fragments are not put together',
    'truncated: IP fragment at offset 24; fragments are not put together',
  ])
  assert.equal(packets[0]?.time, '2023-11-14T22:13:20.000005Z')
  assert.equal(packets[0].source, '10.77.0.1:40000')
  assert.equal(packets[0].destination, '10.77.0.2:694')
  assert.equal(packets[3]?.source, '10.77.0.1')
})

// ------------------------------------------------------------------------------------- the command itself

let folder = ''
before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'twinbeat-decode-'))
  writeFileSync(path.join(folder, 'authkeys'), 'auth 1\n1 sha1 lab-secret-key\n')
  writeFileSync(path.join(folder, 'capture'), pcap([{ data: ethernet(ipv4(udp(message(1)))) }]).subarray(0, 60))
})
after(() => { rmSync(folder, { recursive: true }) })

const run = async (...args: readonly string[]): Promise<unknown> =>
  await decodeCommand().exitOverride()
    .parseAsync(['--authkeys', path.join(folder, 'authkeys'), ...args], { from: 'user' })

const codeIs = (code: string) => (error: unknown): boolean => error instanceof TwinbeatError && error.code === code

test('what cannot be read is one error with a code', async () => {
  await assert.rejects(run(), codeIs('TB_USAGE'))
  await assert.rejects(run('--hex', 'file'), codeIs('TB_USAGE'))
  await assert.rejects(run('file', '--port', '0'), codeIs('TB_USAGE'))
  await assert.rejects(run(path.join(folder, 'nothing')), codeIs('TB_CAPTURE'))
  await assert.rejects(run(folder), codeIs('TB_CAPTURE'))
  await assert.rejects(run(path.join(folder, 'capture')), codeIs('TB_CAPTURE'))
  await assert.rejects(run(path.join(folder, 'authkeys')), codeIs('TB_CAPTURE'))
  await assert.rejects(run('--authkeys', path.join(folder, 'nothing'), '--hex'), codeIs('TB_CONFIG'))
  await assert.rejects(run('--authkeys', path.join(folder, 'capture'), '--hex'), codeIs('TB_CONFIG'))
})
