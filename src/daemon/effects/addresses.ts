// Members that are addresses: added, removed and probed by the engine's netlink thread.
import { constants as osConstants } from 'node:os'
import { errnoName, whyNotChanged } from '../link-words.js'
import type { StepGate } from '../../engine/authority.js'
import type { AddressStep, Engine, EngineAddress, EngineRecord } from '../../engine/engine.js'

export interface AddressOutcome {
  readonly ok: boolean
  readonly state: 'running' | 'stopped' | 'unknown'
  readonly reason: string | null
}

/** The netlink thread answers in microseconds unless rtnl is held; later than this is reported, not waited for. */
const answerMaxMs = 20_000

/**
 * After a partition the peer, too, has told the neighbours that the address is with it, and it may do so until
 * it has let go. Whoever still holds the address then says so for this long.
 */
const againTimes = 20
const againEveryMs = 1_000
const againFrames = { count: 2, intervalUs: 20_000 } as const
/** What is adopted moved nowhere: this only refreshes what the neighbours know. */
const adoptedFrames = { count: 3, intervalUs: 250_000 } as const

interface Pending {
  readonly action: 'probe' | 'start' | 'stop'
  readonly address: EngineAddress
  readonly finish: (outcome: AddressOutcome) => void
  readonly timer: NodeJS.Timeout
}

export class AddressRunner {
  readonly #engine: Engine
  readonly #pending = new Map<number, Pending>()
  readonly #held = new Map<string, EngineAddress>()
  /** Found here by a probe and neither added nor announced since. */
  readonly #adopted = new Set<string>()
  #interfaces: readonly string[] = []
  #nextToken = 1
  #again: NodeJS.Timeout | null = null

  readonly #prepare: (address: EngineAddress) => Promise<void>

  /** `prepare` makes sure that the guardian could remove what is going to be added. */
  constructor(engine: Engine, prepare: (address: EngineAddress) => Promise<void> = async () => { await Promise.resolve() }) {
    this.#engine = engine
    this.#prepare = prepare
  }

  async run(
    address: EngineAddress,
    action: 'probe' | 'start' | 'stop',
    options: { readonly checkDuplicate: boolean; readonly gate: StepGate },
  ): Promise<AddressOutcome> {
    if (action === 'start') await this.#prepare(address)
    const token = this.#nextToken
    this.#nextToken += 1
    // Watched from before the add: a rival that answers in between must not be missed. Unwatched before the
    // removal: our own removal is no loss.
    if (action !== 'probe') this.#adopted.delete(keyOf(address))
    if (action === 'start') this.#watch(address, true)
    if (action === 'stop') this.#watch(address, false)
    return await new Promise<AddressOutcome>((resolve) => {
      const timer = setTimeout(() => {
        this.#pending.delete(token)
        resolve({ ok: false, state: 'unknown', reason: 'the kernel did not answer in time' })
      }, answerMaxMs)
      this.#pending.set(token, { action, address, finish: resolve, timer })
      // Whoever orders an addition is alive, whatever came between the decision and this moment.
      if (action === 'start') this.#engine.renewController()
      if (this.#engine.runSteps(token, stepsOf(address, action, options.checkDuplicate), options.gate) === 'full') {
        this.#settle(token, { ok: false, state: 'unknown', reason: 'too many address changes are under way' })
      }
    })
  }

  /** Their state is told from now on, whether or not an address of ours is there. */
  watchInterfaces(names: readonly string[]): void {
    this.#interfaces = names
    this.#engine.watchAddresses([...this.#held.values()], names)
  }

  /** Takes `steps.done`; true if the record was ours. */
  onRecord(record: EngineRecord): boolean {
    if (record.type === 'peer.returned' || record.type === 'peer.restarted') this.#announceAgain()
    if (record.type !== 'steps.done') return false
    const pending = this.#pending.get(record.token)
    if (pending === undefined) return false
    this.#settle(record.token, judge(pending.action, record.results))
    return true
  }

  /**
   * Found by a probe: watched. Not announced: whether it is kept is not decided yet, and an announcement
   * would draw the clients away from a peer that holds it.
   */
  adopt(address: EngineAddress): void {
    if (!this.#held.has(keyOf(address))) this.#adopted.add(keyOf(address))
    this.#watch(address, true)
  }

  /** The engine is adding it by itself, or has not: watched like one that was added by an order. */
  taken(address: EngineAddress, on: boolean): void {
    this.#adopted.delete(keyOf(address))
    this.#watch(address, on)
  }

  /** A group with these is held now: those that were found here and not added are told to the neighbours. */
  announceAdopted(addresses: readonly EngineAddress[]): void {
    const adopted = addresses.filter((address) => this.#adopted.delete(keyOf(address)))
    this.#announce(adopted, adoptedFrames)
  }

  /** Nobody waits for the answer, and a full queue costs an announcement, not an address. */
  #announce(addresses: readonly EngineAddress[], frames: { readonly count: number; readonly intervalUs: number }): void {
    if (addresses.length === 0) return
    const steps = addresses.map((address): AddressStep => ({ type: 'announce', address, ...frames }))
    this.#engine.runSteps(this.#nextToken, steps, { slot: null, notAfterUs: null })
    this.#nextToken += 1
  }

  #announceAgain(): void {
    if (this.#again !== null) clearInterval(this.#again)
    let left = againTimes
    this.#again = setInterval(() => {
      left -= 1
      if (left === 0 && this.#again !== null) clearInterval(this.#again)
      this.#announce(this.#settledAddresses(), againFrames)
    }, againEveryMs)
    this.#again.unref()
  }

  /** Held, and not on their way in or out at this moment. */
  #settledAddresses(): EngineAddress[] {
    const moving = new Set([...this.#pending.values()].map((pending) => keyOf(pending.address)))
    return [...this.#held].filter(([key]) => !moving.has(key)).map(([, address]) => address)
  }

  #settle(token: number, outcome: AddressOutcome): void {
    const pending = this.#pending.get(token)
    if (pending === undefined) return
    this.#pending.delete(token)
    clearTimeout(pending.timer)
    if (pending.action === 'start' && !outcome.ok) this.#watch(pending.address, false)
    pending.finish(outcome)
  }

  #watch(address: EngineAddress, on: boolean): void {
    const key = keyOf(address)
    if (this.#held.has(key) === on) return
    if (on) this.#held.set(key, address)
    else this.#held.delete(key)
    this.#engine.watchAddresses([...this.#held.values()], this.#interfaces)
  }
}

const keyOf = (address: EngineAddress): string => `${address.interface} ${address.address}`

function stepsOf(
  address: EngineAddress,
  action: 'probe' | 'start' | 'stop',
  checkDuplicate: boolean,
): AddressStep[] {
  switch (action) {
    case 'probe':
      return [{ type: 'probe', address }]
    case 'stop':
      return [{ type: 'remove', address }]
    // The engine announces what it adds by its own schedule, which ends a second later: a
    // neighbour may refuse to change a fresh entry for that long.
    case 'start':
      return [{ type: 'add', address, checkDuplicate }]
  }
}

function judge(
  action: Pending['action'],
  results: readonly { readonly index: number; readonly errno: number }[],
): AddressOutcome {
  const first = results.find((result) => result.index === 0)
  if (first === undefined) return { ok: false, state: 'unknown', reason: 'no answer from the kernel' }
  if (action === 'probe') return judgeProbe(first.errno)
  if (first.errno !== 0) return { ok: false, state: 'unknown', reason: whyNotChanged(first.errno) }
  return { ok: true, state: action === 'start' ? 'running' : 'stopped', reason: null }
}

/** No such address, or no such interface: surely not here. Any other error says nothing about the address. */
const absentErrnos: readonly number[] = [osConstants.errno.EADDRNOTAVAIL, osConstants.errno.ENODEV]

function judgeProbe(errno: number): AddressOutcome {
  if (errno === 0) return { ok: true, state: 'running', reason: null }
  if (absentErrnos.includes(errno)) return { ok: true, state: 'stopped', reason: null }
  return { ok: false, state: 'unknown', reason: `the kernel cannot say whether it is here: ${errnoName(errno)}` }
}
