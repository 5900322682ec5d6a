// Events of the core without their time: the node that feeds them knows it.

import type { CoreEvent } from '../../src/core/events.js'

type WithoutAt<T> = T extends unknown ? Omit<T, 'at'> : never
export type SimEvent = WithoutAt<CoreEvent>
