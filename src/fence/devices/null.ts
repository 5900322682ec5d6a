// Says that everything is done and does nothing: for tests. With it two nodes can hold one group.

import { confirmed, failed, inList } from '../answers.js'
import type { DeviceKind } from '../types.js'

export const nullDevice: DeviceKind = {
  name: 'null',
  takes: (type) => type === 'null',
  program: () => null,
  open: ({ parameters, positional }) => {
    const written = positional ?? parameters.filter(([name]) => name === 'hostlist').flatMap(([, value]) => value.split(/[\s,]+/))
    return {
      order: async (action, { node }) => await Promise.resolve(written.length > 0 && inList(written, node) === null
        ? failed(`'${node}' is none of its hosts: ${written.join(' ')}`)
        : confirmed(`${action} ${node}: pretended`)),
    }
  },
}
