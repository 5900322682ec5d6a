// What travels between a node of today and one from before authority was spoken of: nothing that it did not know.

import type { Field } from '../../src/core/types.js'

const olderNames: Readonly<Record<string, readonly string[]>> = {
  tb_claims: ['t', 'dest', 'tb_gen', 'tb_peer', 'tb_n', 'tb_ack', 'tb_ask', 'tb_groups', 'seq', 'hg'],
  tb_handover: ['t', 'dest', 'tb_op', 'tb_x', 'tb_group', 'tb_gen', 'tb_peer', 'tb_n', 'seq', 'hg'],
}

/** Null: a message that nobody would have sent or understood. */
export function olderWords(fields: readonly Field[]): readonly Field[] | null {
  const t = String(fields.find((field) => field.name === 't')?.value ?? '')
  if (!t.startsWith('tb_')) return fields
  const names = olderNames[t]
  return names === undefined ? null : fields.filter((field) => names.includes(field.name))
}
