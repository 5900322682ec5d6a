import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CaptureError } from '../../src/capture/byte-source.js'
import { payloadOf } from '../../src/capture/packet.js'
import { maxRecordBytes, readCapture, type CapturedFrame } from '../../src/capture/pcap.js'
import {
  block, bytes, chunks, echo, ethernet, interfaceBlock, ipv4, ipv6, packetBlock, pcap, sectionBlock, u16, u32, udp,
  vlan,
} from './captures.js'

const hello = Buffer.from('###\nhello')
const readAll = (file: Uint8Array, size = 7): CapturedFrame[] => [...readCapture(chunks(file, size))]
const frameOf = (linkType: number, data: Uint8Array): CapturedFrame =>
  ({ timeNs: 0n, linkType, data: Uint8Array.from(data), wireBytes: data.length })
const textOf = (linkType: number, data: Uint8Array): string | null => {
  const payload = payloadOf(frameOf(linkType, data))
  return payload === null ? null : Buffer.from(payload.payload).toString('latin1')
}

for (const little of [true, false]) {
  const order = little ? 'little' : 'big'

  test(`pcap, ${order} endian, in micro- and nanoseconds`, () => {
    const record = { data: hello, seconds: 1_700_000_000, fraction: 123_456, wireBytes: 1000 }
    const [micro] = readAll(pcap([record], { little }))
    assert.deepEqual(micro, {
      timeNs: 1_700_000_000_123_456_000n, linkType: 1, data: Uint8Array.from(hello), wireBytes: 1000 })
    const [nano] = readAll(pcap([record], { little, ns: true, linkType: 113 }))
    assert.equal(nano?.timeNs, 1_700_000_000_000_123_456n)
    assert.equal(nano?.linkType, 113)
  })

  test(`pcapng, ${order} endian, with interfaces of their own time units`, () => {
    const file = bytes(sectionBlock(little), interfaceBlock(1, little), block(0x0bad, hello, little),
      interfaceBlock(101, little, 9), interfaceBlock(101, little, 0x80 | 10),
      packetBlock(0, 1_700_000_000_000_001n, hello, little), packetBlock(1, 5n, hello, little),
      packetBlock(2, 2048n, hello, little), block(3, bytes(u32(hello.length, little), hello), little))
    const frames = readAll(file)
    assert.deepEqual(frames.map(({ timeNs }) => timeNs), [1_700_000_000_000_001_000n, 5n, 2_000_000_000n, null])
    assert.deepEqual(frames.map(({ linkType }) => linkType), [1, 101, 101, 1])
    for (const { data } of frames) assert.equal(Buffer.from(data).toString('latin1'), '###\nhello')
  })
}

test('a second pcapng section starts with its own byte order and interfaces', () => {
  const section = (little: boolean): Buffer =>
    bytes(sectionBlock(little), interfaceBlock(little ? 1 : 101, little), packetBlock(0, 1n, hello, little))
  assert.deepEqual(readAll(bytes(section(true), section(false))).map(({ linkType }) => linkType), [1, 101])
})

test('what is no capture, and a capture that is cut, is an error that names the place', () => {
  const file = pcap([{ data: hello }])
  assert.throws(() => readAll(Buffer.from('')), /empty at byte 0/)
  assert.throws(() => readAll(Buffer.from('rubbish and more rubbish')), /neither pcap nor pcapng/)
  assert.throws(() => readAll(file.subarray(0, file.length - 1)), /ends inside a packet at byte 48/)
  assert.throws(() => readAll(file.subarray(0, 30)), /ends inside a packet header/)
  assert.throws(() => readAll(bytes(sectionBlock(true), packetBlock(0, 0n, hello, true))), /interface 0/)
})

test('a length that no capture program writes allocates nothing', () => {
  const head = pcap([]).subarray(0, 24)
  assert.throws(() => readAll(bytes(head, u32(0), u32(0), u32(0xffffffff), u32(0))), CaptureError)
  const record = u32(maxRecordBytes + 4, true)
  assert.throws(() => readAll(bytes(sectionBlock(true), u32(6, true), record)), CaptureError)
})

test('UDP is found behind Ethernet, VLAN tags, both cooked headers, loopback and raw IP', () => {
  const packet = ipv4(udp(hello))
  const expected = '###\nhello'
  assert.equal(textOf(1, bytes(ethernet(packet), [0, 0, 0])), expected, 'padding is no payload')
  assert.equal(textOf(1, vlan(packet)), expected)
  assert.equal(textOf(113, bytes(new Uint8Array(14), u16(0x0800), packet)), expected)
  assert.equal(textOf(276, bytes(u16(0x0800), new Uint8Array(18), packet)), expected)
  assert.equal(textOf(0, bytes([2, 0, 0, 0], packet)), expected)
  assert.equal(textOf(101, packet), expected)
  assert.equal(textOf(1, ethernet(ipv6(udp(hello)), 0x86dd)), expected)
  assert.equal(textOf(147, packet), null, 'unknown link type')
  assert.equal(textOf(1, ethernet(packet, 0x0806)), null, 'ARP')
  assert.equal(textOf(101, ipv4(udp(hello), { protocol: 6 })), null, 'TCP')
})

test('addresses and ports are written as one reads them', () => {
  assert.deepEqual(payloadOf(frameOf(101, ipv4(udp(hello)))), {
    kind: 'udp', source: '10.77.0.1:40000', destination: '10.77.0.2:694', destinationPort: 694,
    payload: Uint8Array.from(hello), fragment: null,
  })
  const six = payloadOf(frameOf(101, ipv6(udp(hello, 695))))
  assert.equal(six?.source, '[fe80::1]:40000')
  assert.equal(six?.destination, '[ff02::2]:695')
})

test('echo requests and replies carry their data, other ICMP does not', () => {
  for (const type of [0, 8]) assert.equal(textOf(101, ipv4(echo(hello, type), { protocol: 1 })), '###\nhello')
  assert.equal(textOf(101, ipv4(echo(hello, 3), { protocol: 1 })), null)
  assert.equal(textOf(101, ipv6(echo(hello, 129), 58)), '###\nhello')
  assert.equal(payloadOf(frameOf(101, ipv4(echo(hello), { protocol: 1 })))?.source, '10.77.0.1')
})

test('fragments are named as such, with one key for one datagram', () => {
  const first = payloadOf(frameOf(101, ipv4(udp(hello), { fragment: 0x2000 })))
  const second = payloadOf(frameOf(101, ipv4(hello, { fragment: 0x0002 })))
  assert.equal(first?.kind, 'fragment')
  assert.equal(first.fragment?.offset, 0)
  assert.equal(second?.fragment?.offset, 16)
  assert.equal(first.fragment.key, second.fragment.key)
  assert.equal(second.destinationPort, null)
})

test('IPv6 extension headers are passed, a chain of them ends', () => {
  const options = Uint8Array.of(17, 0, 1, 4, 0, 0, 0, 0)
  assert.equal(textOf(101, ipv6(udp(hello), 0, options)), '###\nhello')
  const whole = Uint8Array.of(17, 0, 0, 0, 0, 0, 0, 9)
  assert.equal(textOf(101, ipv6(udp(hello), 44, whole)), '###\nhello', 'a whole packet with a fragment header')
  const part = Uint8Array.of(17, 0, 0, 9, 0, 0, 0, 9)
  assert.equal(payloadOf(frameOf(101, ipv6(hello, 44, part)))?.fragment?.offset, 8)
  const endless = bytes(...Array.from({ length: 100 }, () => Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0)))
  assert.equal(textOf(101, ipv6(udp(hello), 0, endless)), null)
})

const valid = fc.constantFrom(
  pcap([{ data: ethernet(ipv4(udp(hello))) }, { data: vlan(ipv6(udp(hello)), 0x86dd) }]),
  bytes(sectionBlock(true), interfaceBlock(1, true, 9), packetBlock(0, 77n, ethernet(ipv4(udp(hello))), true)),
  bytes(sectionBlock(false), interfaceBlock(101, false), packetBlock(0, 77n, ipv6(udp(hello), 0), false)),
)
const damaged = fc.tuple(valid, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 12 }), fc.nat(200))
  .map(([file, changes, cut]) => {
    const copy = Buffer.from(file)
    for (const [at, value] of changes) copy[at % copy.length] = value
    return copy.subarray(0, Math.max(0, copy.length - cut % 40))
  })

test('any bytes give frames or a CaptureError, whatever the pieces', () => {
  const file = fc.oneof(damaged, fc.uint8Array({ maxLength: 200 }))
  fc.assert(fc.property(file, fc.integer({ min: 1, max: 64 }), (file, size) => {
    try {
      for (const frame of readCapture(chunks(file, size))) {
        assert.ok(frame.data.length <= maxRecordBytes)
        payloadOf(frame)
      }
    } catch (error) {
      assert.ok(error instanceof CaptureError, String(error))
    }
  }), { numRuns: 3000 })
})

test('any bytes behind any link header give a payload inside the frame or none', () => {
  const linkType = fc.constantFrom(0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 9999)
  fc.assert(fc.property(linkType, fc.uint8Array({ maxLength: 120 }), (type, data) => {
    const payload = payloadOf(frameOf(type, data))
    assert.ok(payload === null || payload.payload.length < data.length)
  }), { numRuns: 3000 })
})
