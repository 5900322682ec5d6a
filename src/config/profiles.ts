// Heartbeat times by name, for a pair of twinbeat nodes: a real heartbeat cannot follow most of them. They count only
// where ha.cf does not say keepalive or deadtime itself.

import type { Micros } from '../core/base/ids.js'

export type ProfileName = 'extreme' | 'fast' | 'safe' | 'lan'

export interface Profile {
  readonly name: ProfileName
  readonly keepaliveUs: Micros
  readonly deadtimeUs: Micros
}

const profile = (name: ProfileName, keepaliveMs: number, deadtimeMs: number): Profile =>
  ({ name, keepaliveUs: (keepaliveMs * 1000) as Micros, deadtimeUs: (deadtimeMs * 1000) as Micros })

/** From the quickest to the one that every machine holds. */
export const profiles: readonly Profile[] =
  [profile('extreme', 1, 3), profile('fast', 1, 5), profile('safe', 2, 10), profile('lan', 50, 200)]

export const profileNames: readonly ProfileName[] = profiles.map(({ name }) => name)

export function profileOf(name: string | null): Profile | null {
  return profiles.find((one) => one.name === name) ?? null
}

/** What follows from a profile where ha.cf says nothing; the fallbacks of a slow pair would not fit. */
export function profileTiming({ keepaliveUs, deadtimeUs }: Profile): {
  readonly warntimeUs: number
  readonly deadpingUs: number
  readonly maxRexmitDelayUs: number
} {
  return {
    // Half a dead time of a few milliseconds is what a busy machine does all day.
    warntimeUs: Math.floor(0.8 * deadtimeUs),
    // Routers answer pings when they have nothing better to do.
    deadpingUs: Math.max(deadtimeUs, 1_000_000),
    // Five hundred messages are kept for a peer that missed one: at a heartbeat a millisecond, for half a second.
    maxRexmitDelayUs: Math.min(250_000, Math.max(10_000, 10 * keepaliveUs)),
  }
}

/** The quickest profile that survives wake-ups as late as this: a heartbeat may be lost besides. */
export function profileHeld(latenessUs: number): Profile | null {
  return profiles.find(({ keepaliveUs, deadtimeUs }) => latenessUs <= deadtimeUs - 2 * keepaliveUs) ?? null
}
