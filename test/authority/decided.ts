// Who let go of the address of the struck node, and what gave its peer the right to take it, as both nodes wrote down.

export interface Decided {
  readonly letGo: string
  readonly taken: string
}

/** The first that matches; what ends a life stands before what follows from it. */
const LETTING_GO: readonly (readonly [RegExp, string])[] = [
  [/guardian\.acted: the daemon died/, 'guardian: daemon died'],
  [/guardian\.acted: the daemon made no progress/, 'guardian: no progress'],
  [/guardian\.acted: an ownership ended/, 'guardian: ownership over'],
  [/guardian\.acted: the daemon ended/, 'guardian: daemon ended'],
  [/guardian\.acted: no successor/, 'guardian: no successor'],
  [/daemon\.lapsed/, 'engine: controller lapsed'],
  [/group\.released/, 'engine: ownership over'],
]

export function decide(struckLog: string, peerLog: string, address: string): Decided {
  const found = LETTING_GO.find(([pattern]) => pattern.test(struckLog))
  const by = new RegExp(`takeover\\.done: \\S*${address.replaceAll('.', '\\.')}\\S* taken \\(([^)]*)\\) by authority (\\w+)`).exec(peerLog)
  return { letGo: found?.[1] ?? '-', taken: by === null ? '-' : `${by[1] ?? ''} (${by[2] ?? ''})` }
}
