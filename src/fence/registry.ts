// The kinds of devices there are. An explicit list: the reader sees it, one contract suite runs over it.

import { compiled } from './devices/compiled.js'
import { external } from './devices/external.js'
import { fenceAgent } from './devices/fence-agent.js'
import { meatware } from './devices/meatware.js'
import { nullDevice } from './devices/null.js'
import { ssh } from './devices/ssh.js'
import type { DeviceKind } from './types.js'

export const DEVICE_KINDS: readonly DeviceKind[] = [external, compiled, fenceAgent, meatware, ssh, nullDevice]

/** Null: no kind of device takes this type. */
export function kindOf(type: string): DeviceKind | null {
  return DEVICE_KINDS.find((kind) => kind.takes(type)) ?? null
}
