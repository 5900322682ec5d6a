// Times in classes whose width grows with the time itself: eight to each doubling, so every quantile is right to an
// eighth, whatever the range, in fixed memory.

const subBits = 3
const subCount = 1 << subBits
/** 71 minutes: more is counted as this much. */
const valueMax = 0xffffffff
const classCount = (32 - subBits + 1) * subCount

export interface HistogramClass {
  readonly fromUs: number
  /** Not included. */
  readonly toUs: number
  readonly count: number
}

export class Histogram {
  readonly #counts = new Float64Array(classCount)
  #total = 0
  #minUs = Infinity
  #maxUs = 0

  add(us: number): void {
    const value = Math.min(valueMax, Math.max(0, Math.floor(us)))
    const index = classOf(value)
    this.#counts[index] = (this.#counts[index] ?? 0) + 1
    this.#total++
    this.#minUs = Math.min(this.#minUs, us)
    this.#maxUs = Math.max(this.#maxUs, us)
  }

  get total(): number {
    return this.#total
  }
  /** Null while nothing was added. */
  get minUs(): number | null {
    return this.#total === 0 ? null : this.#minUs
  }
  get maxUs(): number | null {
    return this.#total === 0 ? null : this.#maxUs
  }

  /** The time that this share of all stays at or below: the upper end of its class, never above the maximum. */
  quantileUs(share: number): number | null {
    if (this.#total === 0) return null
    const wanted = Math.max(1, Math.ceil(share * this.#total))
    let seen = 0
    for (let index = 0; index < classCount; index++) {
      seen += this.#counts[index] ?? 0
      if (seen >= wanted) return Math.min(this.#maxUs, Math.max(this.#minUs, lowerEnd(index + 1)))
    }
    return this.#maxUs
  }

  /** The classes that are not empty, smallest first. */
  classes(): HistogramClass[] {
    const list: HistogramClass[] = []
    this.#counts.forEach((count, index) => {
      if (count > 0) list.push({ fromUs: lowerEnd(index), toUs: lowerEnd(index + 1), count })
    })
    return list
  }
}

function classOf(value: number): number {
  if (value < subCount) return value
  const exponent = 31 - Math.clz32(value)
  return (exponent - subBits + 1) * subCount + ((value >>> (exponent - subBits)) & (subCount - 1))
}

function lowerEnd(index: number): number {
  const octave = Math.floor(index / subCount)
  if (octave === 0) return index
  return (subCount + (index % subCount)) * 2 ** (octave - 1)
}
