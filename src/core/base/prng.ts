// The only source of chance the core may use: a small seeded generator (xorshift32 with a Weyl sequence).

export interface Prng {
  /** Integer in 0 .. bound-1. */
  below(bound: number): number
}

export function createPrng(seed: number): Prng {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1
  let weyl = 0
  return {
    below(bound: number): number {
      state ^= state << 13
      state >>>= 0
      state ^= state >>> 17
      state ^= state << 5
      state >>>= 0
      weyl = (weyl + 362437) >>> 0
      return ((state + weyl) >>> 0) % bound
    },
  }
}
