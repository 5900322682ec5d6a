// The watchdog of a machine as a guardian has it: JavaScript -> engine -> guardian -> device, as long as all of it is
// well, and not before what an earlier life left is accounted for.

import { servicesUnaccounted } from '../../src/core/takeover/watchdog-word.js'
import type { GroupSnapshot } from '../../src/core/types.js'
import type { SimGuardian } from './guardian.js'
import type { Machine } from './machine.js'
import type { Flaw, Page } from './page.js'

export interface WatchdogHost {
  readonly machine: Machine
  readonly guardian: SimGuardian
  readonly flaws: ReadonlySet<Flaw>
  readonly limits: { readonly watchdogUs: number; readonly stopBudgetUs: number }
  page(): Page
  /** Engine and daemon of this life run. */
  well(): boolean
  /** Of the core of this life; null: it cannot be asked now. */
  groups(): readonly GroupSnapshot[] | null
  /** As the daemon tells its core; 0: it is not petted. */
  tell(us: number): void
  reset(): void
}

const againUs = 250_000

/** Until the guardian ends. */
export function watchOver(host: WatchdogHost): void {
  const { machine, guardian, limits: { watchdogUs } } = host
  if (watchdogUs === 0) return
  let open = false
  const round = (): void => {
    if (!guardian.alive) return
    open ||= machine.watchdogWorks && mayOpen(host)
    if (open) {
      const pets = (guardian.keeps || host.well()) && !isDue(host)
      if (pets) machine.pet(watchdogUs, () => { host.reset() })
      host.tell(pets ? watchdogUs : 0)
    }
    machine.clock.after(open ? watchdogUs / 3 : againUs, round)
  }
  round()
}

function isDue(host: WatchdogHost): boolean {
  const { now } = host.machine.clock
  return [...host.page().groups.values()].some(({ petUntil, kind }) =>
    kind === 'service' && petUntil !== null && petUntil <= now)
}

function mayOpen(host: WatchdogHost): boolean {
  if (host.flaws.has('pets-too-early')) return true
  const { watchdogUs: timeoutUs, stopBudgetUs } = host.limits
  const known = host.groups()
  return known !== null && servicesUnaccounted(known, { now: host.machine.clock.now, stopBudgetUs, timeoutUs }) === null
}
