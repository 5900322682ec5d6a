// A broken invariant stops the daemon after releasing; the core never limps on.

export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

export function invariant(condition: boolean, why: string): asserts condition {
  if (!condition) throw new InvariantError(why)
}

export function assertNever(value: never, what: string): never {
  throw new InvariantError(`${what}: unexpected ${JSON.stringify(value)}`)
}
