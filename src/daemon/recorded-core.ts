// The core of this life, with everything that it is told and decides written down in the state folder.
import { createPrng } from '../core/base/prng.js'
import { createCore, type Core } from '../core/core.js'
import type { CoreConfig } from '../core/types.js'
import { seedOf } from './core-config.js'
import { digestOf, recordedCore, Recorder, recordFormat, recordVersion } from '../observe/recorder.js'

export interface Life {
  readonly stateDir: string
  readonly program: string
  readonly generation: number
}

export function coreOfLife(config: CoreConfig, life: Life): { readonly core: Core; readonly recorder: Recorder } {
  const seed = seedOf(config.self, life.generation)
  const recorder = new Recorder(life.stateDir, {
    format: recordFormat, version: recordVersion, program: life.program, node: config.self, generation: life.generation,
    seed, digest: digestOf(config), config, begunAt: new Date().toISOString(), whole: true,
  })
  return { core: recordedCore(createCore(config, createPrng(seed)), recorder), recorder }
}
