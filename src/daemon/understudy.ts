// The hands of the rehearsal: a shell and what it works with, on an engine that only looks at what it is told. Whatever a
// core of the rehearsal decides is carried out here down to the last byte that the engine would get, and no further: the
// fence devices are all pretended, nothing is stored, and what is noted is written nowhere.
import { pino } from 'pino'
import type { FencingSettings } from '../config/model.js'
import { micros, type NodeId } from '../core/base/ids.js'
import type { Effect } from '../core/effects.js'
import type { CoreEvent } from '../core/events.js'
import type { CoreConfig, GroupConfig } from '../core/types.js'
import { encodeAuthority, encodeGroups, encodeHolding, encodePlan } from '../engine/authority-codec.js'
import { encodeFields } from '../engine/config-codec.js'
import type { Engine, EngineRecord } from '../engine/engine.js'
import { checkMessage } from '../engine/native.js'
import { encodeSteps, encodeWatch } from '../engine/step-codec.js'
import { TwinbeatError } from '../errors.js'
import { AddressRunner } from './effects/addresses.js'
import { FenceRunner } from './effects/fencing.js'
import { Plans, type GroupPicture } from './effects/plans.js'
import { Shell } from './shell.js'

const nothing = (): void => undefined
const nowhere = async (): Promise<void> => { await Promise.resolve() }

export class Understudy {
  readonly #log = pino({ base: { node: 'rehearsal' } }, { write: nothing })
  readonly #records: EngineRecord[] = []
  readonly #plans: Plans
  readonly #shell: Shell
  #now = micros(0)
  #decided: readonly Effect[] = []

  constructor(config: CoreConfig, peer: NodeId) {
    const engine = this.#engine()
    const pictures = config.groups.map(pictureOf)
    const addresses = new AddressRunner(engine)
    const fence = new FenceRunner({ store: nowhere })
    fence.configure(pretended(config))
    const plans = this.#plans = new Plans({
      engine, peer: () => peer, pictures: () => pictures, kills: { has: () => false, confined: () => false }, onWarning: nothing,
      onTaken: (_group, _digest, _member, address, taken) => { addresses.taken(address, taken) },
    })
    this.#shell = new Shell({
      engine, addresses, plans, fence,
      core: { step: () => this.#take(), snapshot: () => { throw new TwinbeatError('TB_INTERNAL', 'the rehearsal has no picture') } },
      members: { run: async () => await Promise.resolve({ outcome: 'stopped', text: '' }), abort: nothing, ownerOf: () => null },
      arbiter: { run: async () => await Promise.resolve({ outcome: 'unknown', token: null, deadlineAt: null, holder: null, text: '' }) },
      store: { store: nowhere },
      raiseGeneration: () => 1,
      onNote: ({ level, event, details, text }) => { this.#log[level]({ event, ...details }, text) },
      onReply: nothing, onHalt: nothing, onStatus: nothing, onRecord: nothing, onBroken: nothing, onLapsed: nothing,
    })
  }

  /** Does what a core has decided at this event. */
  carryOut(event: CoreEvent, effects: readonly Effect[]): void {
    this.#now = event.at
    this.#decided = effects
    const record = this.#recordOf(event)
    if (record === null) {
      this.#shell.feed(event)
    } else {
      this.#records.push(record)
      this.#shell.wake()
    }
  }

  stop(): void {
    this.#shell.stop()
    this.#shell.end()
  }

  /** Answers of its own decide nothing. */
  #take(): readonly Effect[] {
    const decided = this.#decided
    this.#decided = []
    return decided
  }

  /** What comes from the engine on the day comes the same way here. */
  #recordOf(event: CoreEvent): EngineRecord | null {
    const { at } = event
    switch (event.type) {
      case 'peer.late': case 'peer.dead': return { ...event, kind: 'normal' }
      case 'link.down': return { ...event, type: 'link.down', silentUs: 0 }
      case 'message': return event
      case 'plan.fired': {
        const slot = this.#plans.slotOf(event.group)
        const { epoch, detectedAt, firstAddressAt, firstAnnounceAt } = event
        const results = event.members.map((_member, index) => ({ index, errno: 0 }))
        return slot === null ? null : { type: 'plan.fired', at, slot, epoch, detectedAt, firstAddressAt, firstAnnounceAt, results }
      }
      default: return null
    }
  }

  #engine(): Engine {
    const never = (): never => { throw new TwinbeatError('TB_INTERNAL', 'nobody asks this of a rehearsal') }
    return {
      configure: nothing, start: nothing, stop: nothing, setStatus: nothing, setPhase: nothing, setGeneration: nothing,
      attachGuardian: nothing, setLimits: nothing, renewController: nothing, snapshot: never, counters: never,
      now: () => this.#now,
      drain: () => this.#records.splice(0),
      send: (fields) => {
        encodeFields(fields)
        checkMessage(fields)
        return 'queued'
      },
      runSteps: (_token, steps) => {
        encodeSteps(steps)
        return 'queued'
      },
      watchAddresses: (addresses, interfaces = []) => { encodeWatch(addresses, interfaces) },
      setGroups: (revision, groups) => { encodeGroups(revision, groups) },
      setHolding: (slot, holding) => { encodeHolding(slot, holding) },
      armPlan: (plan) => {
        encodePlan(plan)
        return 'armed'
      },
      disarmPlan: () => 'disarmed',
      firePlan: (_slot, _epoch, authority) => {
        encodeAuthority(authority)
        return 'marked'
      },
      renewOwnership: () => 'renewed',
    }
  }
}

/** Its members where no machine has an address. */
function pictureOf({ id, digest, members }: GroupConfig): GroupPicture {
  const services = members.findIndex((member) => member.kind !== 'address')
  const placed = members.flatMap((member, index) => member.kind !== 'address' ? [] : [{
    member: member.id,
    address: {
      family: 4 as const, address: `192.0.2.${String(1 + (index % 254))}`, prefix: 32, interface: 'rehearsal', label: null, broadcast: null,
    },
  }])
  const leading = services < 0 ? placed : placed.slice(0, services)
  return { name: id, digest, addressOnly: services < 0, leading, addresses: placed.map(({ address }) => address) }
}

/** Of whatever kind a device is: here nobody is shot. */
function pretended({ fencing }: CoreConfig): FencingSettings {
  const at = { file: '', line: 0, column: 0 }
  const devices = fencing.devices.map((device) => ({
    ...device, type: 'null', targets: device.targets?.map((node) => ({ node, as: null })) ?? null,
    parameters: [], positional: null, secrets: [], at,
  }))
  return { ...fencing, devices, delays: [], weights: [], randomDelayUs: micros(0), priorityDelayUs: micros(0) }
}
