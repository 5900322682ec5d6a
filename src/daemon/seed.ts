// Where the core's chance begins.

/** Two nodes that start in the same second must not draw the same chance: their delays decide who survives. */
export function seedOf(node: string, generation: number): number {
  let hash = 0
  for (const letter of node) hash = (Math.imul(hash, 31) + (letter.codePointAt(0) ?? 0)) | 0
  return (generation ^ Math.imul(hash, 0x9e3779b1)) >>> 0
}
