// Groups and plans as bytes for the addon, and the numbers that it answers with. Everything that is wrong is refused
// here with a clear text.
import { ByteSink, checkArray, checkInteger, checkText, refuse } from './config-codec.js'
import { encodeSteps } from './step-codec.js'
import type { AuthorityKind, EngineGroup, GroupHolding, Guard, PlanAuthority, TakePlan } from './authority.js'
import type { AddressStep, EngineAddress } from './engine.js'
import { groupsMax } from './authority.js'

/** In the order of `enum class AuthorityKind` in native/core/takeover/plan.h. */
export const authorityKinds: readonly AuthorityKind[] =
  ['agreed', 'held', 'fence', 'lease', 'handover', 'gasp', 'accept', 'operator']
/** In the order of `enum class Guard` there; its 0 stands for none. */
export const guardNames: readonly Guard[] =
  ['late', 'peer-incarnation', 'controller', 'peer-alive', 'interface', 'ownership', 'guardian', 'expired', 'voided']
/** In the order of `TakeoverController::Arm`. */
export const armAnswers = ['armed', 'busy', 'invalid', 'unguarded'] as const
/** In the order of `DisarmAnswer` in native/core/takeover/plan_slot.h. */
export const disarmAnswers = ['disarmed', 'fired', 'firing', 'unknown'] as const
/** In the order of `TakeoverController::Fire`. */
export const fireAnswers = ['unknown', 'marked', 'fired'] as const
/** In the order of `TakeoverController::Groups`, from 1 on. */
export const groupRefusals = [
  'cannot be encoded', 'need a higher revision', 'hold more addresses or interfaces than fit',
  'give a slot to another group while its addresses are held',
] as const

const epochMax = 2 ** 48 - 1
const integerMax = Number.MAX_SAFE_INTEGER
const nameMax = 127
const digestMax = 64

const addition = (address: EngineAddress): AddressStep => ({ type: 'add', address, checkDuplicate: false })

export const checkSlot = (value: unknown): number => checkInteger('slot', value, 0, groupsMax - 1)
export const checkEpoch = (value: unknown): number => checkInteger('epoch', value, 1, epochMax)

/** As the engine numbers them. */
const groupKinds: readonly string[] = ['service', 'address', 'killed']

export function encodeGroups(revision: unknown, value: unknown): Uint8Array {
  const sink = new ByteSink().u64(checkInteger('revision', revision, 1, integerMax))
  const groups = checkArray('groups', value, groupsMax)
  sink.u8(groups.length)
  const seen = new Set<number>()
  for (const [at, item] of groups.entries()) {
    if (typeof item !== 'object' || item === null) refuse(`groups[${at}]`, 'must be an object')
    const group = item as EngineGroup
    const index = checkInteger(`groups[${at}].index`, group.index, 0, groupsMax - 1)
    if (seen.has(index)) refuse(`groups[${at}].index`, 'is that of another group')
    seen.add(index)
    const kind = groupKinds.indexOf(group.kind)
    if (kind < 0) refuse(`groups[${at}].kind`, `must be ${groupKinds.join(' or ')}`)
    if (checkText(`groups[${at}].name`, group.name, nameMax) === '') refuse(`groups[${at}].name`, 'must not be empty')
    checkText(`groups[${at}].digest`, group.digest, digestMax)
    const addresses = checkArray(`groups[${at}].addresses`, group.addresses, 128)
    const steps = addresses.length === 0 ? new Uint8Array(0) : encodeSteps(addresses.map((one) => addition(one as EngineAddress)))
    sink.u8(index).u8(kind).text(group.name).text(group.digest).u32(steps.length).raw(steps)
  }
  return sink.take()
}

export function encodePlan(plan: TakePlan): Uint8Array {
  if (typeof plan !== 'object' || plan === null) refuse('plan', 'must be an object')
  if (plan.condition !== 'staged' && plan.condition !== 'peer-dead') refuse('plan.condition', 'must be staged or peer-dead')
  if (typeof plan.needsOwnership !== 'boolean') refuse('plan.needsOwnership', 'must be true or false')
  const { peer } = plan
  if (peer !== null && typeof peer !== 'object') refuse('plan.peer', 'must be an object or null')
  const sink = new ByteSink().u8(checkSlot(plan.slot)).u64(checkEpoch(plan.epoch))
  sink.u8(plan.condition === 'peer-dead' ? 1 : 0).u8(plan.needsOwnership ? 1 : 0).u8(peer === null ? 0 : 1)
  sink.u64(peer === null ? 0 : checkInteger('plan.peer.generation', peer.generation, 0, integerMax))
  sink.u64(checkInteger('plan.gaspEpoch', plan.gaspEpoch, 0, integerMax))
  sink.text(peer === null ? '' : checkText('plan.peer.node', peer.node, 255))
  return sink.raw(encodeSteps(plan.steps)).take()
}

/** kind, peerGeneration, notAfterUs as the addon wants them. */
export function encodeAuthority(authority: PlanAuthority): readonly [number, number, number] {
  if (typeof authority !== 'object' || authority === null) refuse('authority', 'must be an object')
  const kind = authorityKinds.indexOf(authority.kind)
  if (kind < 0) refuse('authority.kind', `must be one of ${authorityKinds.join(' ')}`)
  return [
    kind,
    checkInteger('authority.peerGeneration', authority.peerGeneration, 0, integerMax),
    authority.notAfterUs === null ? 0 : checkInteger('authority.notAfterUs', authority.notAfterUs, 1, integerMax),
  ]
}

/** In the place of a plain 1. */
const heldAndLeaving = 2

/** slot, held, peerReady, agentBusy, claimEpoch as the addon wants them. */
export function encodeHolding(slot: unknown, holding: GroupHolding): readonly [number, number, number, number, number] {
  const index = checkSlot(slot)
  if (typeof holding !== 'object' || holding === null) refuse('holding', 'must be an object')
  for (const name of ['held', 'peerReady', 'agentBusy', 'leaving'] as const) {
    if (typeof holding[name] !== 'boolean') refuse(`holding.${name}`, 'must be true or false')
  }
  const epoch = checkInteger('holding.claimEpoch', holding.claimEpoch, 0, integerMax)
  const held = holding.held && holding.leaving ? heldAndLeaving : Number(holding.held)
  return [index, held, Number(holding.peerReady), Number(holding.agentBusy), epoch]
}
