// Every arbiter there is. To add one: a file beside this and a row here; the contract suite runs over the rows.
import { readFileSync } from 'node:fs'
import type { ClusterConfig } from '../config/model.js'
import type { Micros } from '../core/base/ids.js'
import type { Arbiter, ArbiterParts } from './arbiter.js'
import { EtcdArbiter, type EtcdConfig } from './etcd.js'

export type ArbiterConfig = { readonly kind: 'etcd' } & EtcdConfig

interface Row {
  readonly kind: ArbiterConfig['kind']
  readonly open: (config: ArbiterConfig, parts: ArbiterParts) => Arbiter
}

export const arbiters: readonly Row[] = [
  { kind: 'etcd', open: (config, parts) => new EtcdArbiter(config, parts) },
]

export function openArbiter(config: ArbiterConfig, parts: ArbiterParts): Arbiter {
  const row = arbiters.find((candidate) => candidate.kind === config.kind)
  if (row === undefined) throw new Error(`no arbiter of kind '${config.kind}'`)
  return row.open(config, parts)
}

export interface ArbiterScene {
  readonly now: () => Micros
  readonly incarnation: () => number
  readonly warn?: NonNullable<ArbiterParts['warn']>
}

/** Null when none is configured. */
export function arbiterOf(config: ClusterConfig, scene: ArbiterScene): Arbiter | null {
  const { arbiter, lease } = config.twinbeat
  if (arbiter === null) return null
  const { ttlUs, driftPpm, stopBudgetUs, timeoutUs } = lease
  return openArbiter(arbiter, {
    node: config.self, now: scene.now, incarnation: scene.incarnation,
    times: { ttlUs, driftPpm, stopBudgetUs, timeoutUs },
    readFile: (path) => readFileSync(path, 'utf8'),
    ...(scene.warn === undefined ? {} : { warn: scene.warn }),
  })
}
