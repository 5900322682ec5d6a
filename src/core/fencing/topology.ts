// Which devices are asked for a target, in which order, and when a level has succeeded. Pure.

import type { NodeId } from '../base/ids.js'
import type { FenceDeviceConfig, FencingConfig } from './model.js'

export type PowerAction = 'off' | 'on' | 'reboot'

export interface FenceOrder {
  readonly device: string
  readonly action: PowerAction
}

export type Level = readonly FenceDeviceConfig[]

/** Levels of a target in ascending order; empty: nothing can fence it. */
export function levelsOf(config: FencingConfig, target: NodeId): readonly Level[] {
  const able = config.devices.filter((device) => covers(device, target))
  const named = config.levels.filter((level) => level.target === target)
  if (named.length === 0) return able.map((device) => [device])
  return named
    .map((level) => level.devices.map((name) => able.find((device) => device.name === name)))
    // A level with a device that cannot reach the target can never succeed as a whole.
    .filter((level): level is FenceDeviceConfig[] => level.length > 0 && !level.includes(undefined))
}

export function covers(device: FenceDeviceConfig, target: NodeId): boolean {
  return device.targets === null || device.targets.includes(target)
}

/**
 * One device: the action itself. Several are several power supplies: a machine with one of them on has never
 * been off, so all go off before the first goes on again.
 */
export function ordersOf(level: Level, action: 'off' | 'reboot'): readonly FenceOrder[] {
  if (level.length === 1 || action === 'off') return level.map(({ name }) => ({ device: name, action }))
  return [
    ...level.map(({ name }) => ({ device: name, action: 'off' as const })),
    ...level.map(({ name }) => ({ device: name, action: 'on' as const })),
  ]
}

/** After this order succeeded the target surely does not run; an `on` that follows may fail. */
export function isDecisive(orders: readonly FenceOrder[], index: number): boolean {
  return orders[index]?.action !== 'on' && orders.slice(index + 1).every((order) => order.action === 'on')
}
