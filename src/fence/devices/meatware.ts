// A person switches the node off and says so: `twinbeat confirm-fenced NODE`.

import type { DeviceKind, FenceDevice } from '../types.js'

export const meatware: DeviceKind = {
  name: 'meatware',
  takes: (type) => type === 'meatware',
  program: () => null,
  open: () => device,
}

const device: FenceDevice = {
  order: async (action, { node }) => await Promise.resolve(action === 'status'
    ? { outcome: 'confirmed' as const, text: 'a person will be asked' }
    : { outcome: 'manual' as const, text: `somebody has to switch ${node} ${action === 'on' ? 'on' : 'off'}` }),
}
