// A grant that nobody gave, as the answer to an ask.

import { nodeId } from '../../../src/core/base/ids.js'
import type { CoreEvent } from '../../../src/core/events.js'
import type { Field } from '../../../src/core/types.js'
import { textOf, withText } from './mutant.js'

export const isAsk = (fields: readonly Field[]): boolean =>
  textOf(fields, 't') === 'tb_promise' && textOf(fields, 'tb_op') === 'ask'

export function granted(ask: readonly Field[], at: CoreEvent['at']): CoreEvent {
  const swapped = withText(withText(ask, 'tb_gen', textOf(ask, 'tb_peer')), 'tb_peer', textOf(ask, 'tb_gen'))
  return { at, type: 'message', from: nodeId(textOf(ask, 'dest')), fields: withText(swapped, 'tb_op', 'grant'), link: '' }
}
