// Address steps and watch lists as bytes for the netlink thread.
import { ByteSink, checkAddress, checkArray, checkInteger, checkInterface, checkText, refuse } from './config-codec.js'
import type { AddressStep, EngineAddress, EngineConfig } from './engine.js'

/** As in native/core/net/steps.h. */
const operations = { add: 1, remove: 2, announce: 3, probe: 4 } as const
const flagProbe = 1
const stepsMax = 256
const watchMax = 256
const watchInterfacesMax = 64

function checkEngineAddress(what: string, value: unknown): EngineAddress {
  if (typeof value !== 'object' || value === null) refuse(what, 'must be an object')
  const address = value as EngineAddress
  if (address.family !== 4 && address.family !== 6) refuse(`${what}.family`, 'must be 4 or 6')
  checkAddress(`${what}.address`, address.address, address.family, { nullable: false })
  checkInteger(`${what}.prefix`, address.prefix, 0, address.family === 4 ? 32 : 128)
  checkInterface(what, address.interface)
  if (address.label !== null) checkText(`${what}.label`, address.label, 15)
  if (address.family === 6 && address.broadcast !== null) refuse(`${what}.broadcast`, 'is an IPv4 matter')
  checkAddress(`${what}.broadcast`, address.broadcast, 4, { nullable: true })
  return address
}

export function encodeSteps(value: unknown): Uint8Array {
  const steps = checkArray('steps', value, stepsMax)
  if (steps.length === 0) refuse('steps', 'must not be empty')
  const sink = new ByteSink()
  for (const [at, item] of steps.entries()) {
    if (typeof item !== 'object' || item === null) refuse(`steps[${at}]`, 'must be an object')
    const step = item as AddressStep
    const operation = Object.hasOwn(operations, step.type) ? operations[step.type] : 0
    if (operation === 0) refuse(`steps[${at}].type`, `must be one of ${Object.keys(operations).join(' ')}`)
    const address = checkEngineAddress(`steps[${at}].address`, step.address)
    const announce = step.type === 'announce'
    const count = announce ? checkInteger(`steps[${at}].count`, step.count, 1, 100) : 0
    const interval = announce ? checkInteger(`steps[${at}].intervalUs`, step.intervalUs, 1000, 60_000_000) : 0
    if (step.type === 'add' && typeof step.checkDuplicate !== 'boolean') {
      refuse(`steps[${at}].checkDuplicate`, 'must be true or false')
    }
    const flags = step.type === 'add' && step.checkDuplicate ? flagProbe : 0
    sink.u8(operation).u8(address.family).u8(address.prefix).u16(flags).u32(interval).u16(count)
    sink.text(address.address).text(address.broadcast ?? '').text(address.interface).text(address.label ?? '')
  }
  return sink.take()
}

export function encodeWatch(value: unknown, interfaces: readonly string[]): Uint8Array {
  const addresses = checkArray('addresses', value, watchMax)
    .map((item, at) => checkEngineAddress(`addresses[${at}]`, item))
  const names = [...new Set([...interfaces, ...addresses.map((address) => address.interface)])]
  if (names.length > watchInterfacesMax) refuse('addresses', `name more than ${watchInterfacesMax} interfaces`)
  const sink = new ByteSink().u16(addresses.length).u16(names.length)
  for (const address of addresses) sink.u8(address.family).text(address.address).text(address.interface)
  for (const name of names) sink.text(name)
  return sink.take()
}

/** Interfaces that carry links: their carrier is worth knowing, too. */
export function interfacesOf(config: EngineConfig): readonly string[] {
  return config.links.flatMap((link) => ('interface' in link && link.interface !== null ? [link.interface] : []))
}
