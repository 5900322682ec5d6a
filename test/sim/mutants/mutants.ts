// Cores with one safety rule broken, made by standing between a healthy core and its world. A checker that
// has never failed is suspect: each of these must be caught by the checkers that it names.

import { nodeId } from '../../../src/core/base/ids.js'
import { createCore, type Core } from '../../../src/core/core.js'
import type { Effect } from '../../../src/core/effects.js'
import type { CoreEvent } from '../../../src/core/events.js'
import type { CoreConfig, Field } from '../../../src/core/types.js'
import type { CheckerName } from '../checkers/scene.js'
import type { Faults } from '../faults.js'
import type { MakeCore } from '../node.js'
import type { Options } from '../world.js'

export interface Mutant {
  readonly name: string
  readonly why: string
  readonly caughtBy: readonly CheckerName[]
  /** Faults without which it cannot show; the rest as the seed draws them. */
  readonly faults?: Partial<Faults>
  readonly make: MakeCore
}

export const optionsOf = (mutant: Mutant): Partial<Options> => ({ makeCore: mutant.make, faults: mutant.faults ?? null })

type RunEffect = Extract<Effect, { type: 'member.run' }>

const textOf = (fields: readonly Field[], name: string): string =>
  String(fields.find((field) => field.name === name)?.value ?? '')

const withText = (fields: readonly Field[], name: string, value: string): Field[] =>
  fields.map((field) => (field.name === name ? { ...field, value } : field))

/** Wraps every step: `before` may turn one event into several, `after` may change effects and feed results at once. */
function wrapped(
  before: (event: CoreEvent) => readonly CoreEvent[],
  after: (effect: Effect, event: CoreEvent) => { keep: boolean; feed: readonly CoreEvent[] },
): MakeCore {
  return (config: CoreConfig, prng): Core => {
    const core = createCore(config, prng)
    const step = (event: CoreEvent, out: Effect[]): void => {
      for (const effect of core.step(event)) {
        const { keep, feed } = after(effect, event)
        if (keep) out.push(effect)
        for (const next of feed) step(next, out)
      }
    }
    return {
      step: (event) => {
        const out: Effect[] = []
        for (const one of before(event)) step(one, out)
        return out
      },
      snapshot: () => core.snapshot(),
    }
  }
}

const same = (event: CoreEvent): readonly CoreEvent[] => [event]
const unchanged = (): { keep: boolean; feed: readonly CoreEvent[] } => ({ keep: true, feed: [] })

function answer(effect: RunEffect, outcome: 'running' | 'stopped', at: CoreEvent['at']): CoreEvent {
  const { call, group, member, action } = effect
  return { at, type: 'member.result', call, group, member, action, outcome, text: '' }
}

const startWithoutProbe: Mutant = {
  name: 'start without probe',
  why: 'what an earlier life left running is started a second time',
  caughtBy: ['probe-first'],
  make: wrapped(same, (effect, event) => {
    if (effect.type !== 'member.run' || effect.action !== 'probe') return unchanged()
    return { keep: false, feed: [answer(effect, 'stopped', event.at)] }
  }),
}

const releasedBeforeDone: Mutant = {
  name: 'released is said before it is done',
  why: 'the other node starts while the stop still runs',
  caughtBy: ['truthful', 'single-holder'],
  make: wrapped(same, (effect, event) => {
    if (effect.type !== 'member.run' || effect.action !== 'stop') return unchanged()
    return { keep: true, feed: [answer(effect, 'stopped', event.at)] }
  }),
}

const takeWhilePeerHolds: Mutant = {
  name: 'take while the peer holds',
  why: "the peer's word 'held' is read as 'free'",
  caughtBy: ['single-holder', 'heal'],
  make: wrapped((event) => {
    if (event.type !== 'message' || textOf(event.fields, 't') !== 'tb_claims') return [event]
    const groups = textOf(event.fields, 'tb_groups').replaceAll(/(^| )[hfp]/g, '$1n')
    return [{ ...event, fields: withText(event.fields, 'tb_groups', groups) }]
  }, unchanged),
}

const handoverWithoutLock: Mutant = {
  name: 'hand-over without its lock',
  why: 'the taker acts on the offer instead of on the release',
  caughtBy: ['single-holder', 'heal'],
  make: wrapped((event) => {
    if (event.type !== 'message' || textOf(event.fields, 'tb_op') !== 'offer') return [event]
    return [event, { ...event, fields: withText(event.fields, 'tb_op', 'released') }]
  }, unchanged),
}

const takenBackUnasked: Mutant = {
  name: 'the giver takes back after its release without being refused',
  why: 'the taker may be taking at the same moment',
  caughtBy: ['single-holder', 'heal'],
  make: wrapped(same, (effect, event) => {
    if (effect.type !== 'send' || textOf(effect.fields, 'tb_op') !== 'released') return unchanged()
    const field = (name: string, value: string): Field => ({ name, type: 0, value })
    const fields = effect.fields.map((one) => {
      if (one.name === 'tb_op') return field('tb_op', 'refused')
      if (one.name === 'tb_gen') return field('tb_gen', textOf(effect.fields, 'tb_peer'))
      if (one.name === 'tb_peer') return field('tb_peer', textOf(effect.fields, 'tb_gen'))
      return one
    })
    return { keep: true, feed: [{ at: event.at, type: 'message', from: nodeId(textOf(effect.fields, 'dest')), fields, link: '' }] }
  }),
}

const deafToHeal: Mutant = {
  name: 'a healed partition is not judged',
  why: 'claims heard after a partition are thrown away',
  caughtBy: ['heal'],
  make: wrapped((event) =>
    event.type === 'message' && textOf(event.fields, 't') === 'tb_claims' &&
      /(^| )h/.test(textOf(event.fields, 'tb_groups')) && event.at > 20_000_000
      ? [{ ...event, fields: withText(event.fields, 'tb_groups', textOf(event.fields, 'tb_groups').replaceAll(/(^| )h/g, '$1u')) }]
      : [event], unchanged),
}

const startsWithoutAuthority: Mutant = {
  name: 'starts carry no authority',
  why: 'the runner cannot refuse what nobody allowed',
  caughtBy: ['authority'],
  make: (config, prng) => {
    const core = createCore(config, prng)
    return {
      step: (event) => core.step(event).map((effect) =>
        effect.type === 'member.run' ? { ...effect, authority: null } : effect),
      snapshot: () => core.snapshot(),
    }
  },
}

const sleepsOn: Mutant = {
  name: 'a node that slept too long keeps what it has',
  why: 'its own pause is not seen as a loss of authority',
  caughtBy: ['heal', 'wake', 'single-holder', 'liveness'],
  make: wrapped((event) => (event.type === 'stall' ? [{ ...event, muted: false }] : [event]), unchanged),
}

const staleResultBelieved: Mutant = {
  name: 'the result of an old call is believed',
  why: 'a stop counts as done because an earlier one was',
  caughtBy: ['truthful', 'single-holder', 'heal', 'probe-first', 'liveness'],
  make: (config, prng) => {
    const pending = new Map<string, RunEffect>()
    const note = (effect: Effect): void => { if (effect.type === 'member.run') pending.set(effect.group, effect) }
    return wrapped((event) => {
      if (event.type !== 'member.result') return [event]
      const running = pending.get(event.group)
      if (running === undefined || running.call === event.call) return [event]
      return [{ ...event, call: running.call, member: running.member, action: running.action }]
    }, (effect) => {
      note(effect)
      return unchanged()
    })(config, prng)
  },
}

const lossNotMadeGood: Mutant = {
  name: 'lost records are not made good',
  why: 'a death that was lost is never acted upon',
  caughtBy: ['liveness', 'authority', 'single-holder', 'heal', 'wake'],
  faults: { blocks: true, partitions: true, crashes: true, freezes: false, loss: false, stops: false, operator: false },
  make: (config, prng) => {
    let skip = false
    return wrapped((event) => {
      if (event.type === 'overflow') skip = true
      else if (event.type !== 'peer.status' && event.type !== 'peer.dead' && event.type !== 'stall') skip = false
      return skip ? [] : [event]
    }, unchanged)(config, prng)
  },
}

export const mutants: readonly Mutant[] = [
  staleResultBelieved, lossNotMadeGood,
  startWithoutProbe, releasedBeforeDone, takeWhilePeerHolds, handoverWithoutLock, takenBackUnasked, deafToHeal,
  startsWithoutAuthority, sleepsOn,
]
