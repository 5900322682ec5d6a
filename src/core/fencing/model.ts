// What the core knows of fencing: names and times, never what a device is or how it is reached.

import type { GroupId, Micros, NodeId } from '../base/ids.js'

export interface FenceDeviceConfig {
  readonly name: string
  /** Nodes it can switch off; null: it says so itself and every order checks it. */
  readonly targets: readonly NodeId[] | null
  /** For one order, everything that the device does for it included. */
  readonly timeoutUs: number
  /** Orders in a row before the level has failed. */
  readonly tries: number
  /** Interval of its tests; 0: never tested. */
  readonly testEveryUs: number
}

/** The devices of one level must all succeed; levels of one target are tried in this order. */
export interface FenceLevelConfig {
  readonly target: NodeId
  readonly devices: readonly string[]
}

export interface FencingConfig {
  readonly devices: readonly FenceDeviceConfig[]
  /** Targets that are not named here have one level for each device that covers them. */
  readonly levels: readonly FenceLevelConfig[]
  /** What the coordinator orders by itself. */
  readonly action: 'reboot' | 'off'
  /** Whoever fences `target` waits first: it is the one that shall survive. */
  readonly delays: readonly { readonly target: NodeId; readonly delayUs: number }[]
  /** Up to this much is added by chance. */
  readonly randomDelayUs: number
  /** The side whose groups weigh less waits this long, in place of the other delays. */
  readonly priorityDelayUs: number
  readonly weights: readonly { readonly group: GroupId; readonly weight: number }[]
}

/** Nothing is configured. */
export const withoutDevices: FencingConfig = {
  devices: [], levels: [], action: 'reboot', delays: [], randomDelayUs: 0, priorityDelayUs: 0, weights: [],
}

export interface FenceDeviceSnapshot {
  readonly name: string
  readonly lastTestAt: Micros | null
  readonly lastGoodAt: Micros | null
  /** Words of the last test if it failed; null: it was good, or there was none. */
  readonly problem: string | null
}

export interface FencingSnapshot {
  readonly target: NodeId | null
  readonly state: 'idle' | 'delaying' | 'ordering' | 'waiting' | 'resting' | 'exhausted'
  /** What is done, or why nothing is. */
  readonly text: string
  /** Incarnation of the target that surely does not run; null: none. */
  readonly confirmedGeneration: number | null
  readonly devices: readonly FenceDeviceSnapshot[]
}

export const fencingAtRest: FencingSnapshot = { target: null, state: 'idle', text: '', confirmedGeneration: null, devices: [] }
