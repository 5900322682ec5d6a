// The simulator's time: a heap of things to do, run in order of time and then of insertion. Each machine has
// a clock of its own beside it, which drifts, begins anew at a boot and stands still in a hidden pause.

interface Entry {
  readonly at: number
  readonly order: number
  readonly act: () => void
  dead: boolean
}

export interface Timeline {
  readonly now: number
  /** Returns a function that takes the entry back. */
  at(at: number, act: () => void): () => void
  after(us: number, act: () => void): () => void
}

export class Clock implements Timeline {
  now = 0
  #heap: Entry[] = []
  #order = 0

  get pending(): number {
    return this.#heap.length
  }

  at(at: number, act: () => void): () => void {
    this.#order += 1
    const entry: Entry = { at: Math.max(at, this.now), order: this.#order, act, dead: false }
    this.#push(entry)
    return () => { entry.dead = true }
  }

  after(us: number, act: () => void): () => void {
    return this.at(this.now + us, act)
  }

  runUntil(until: number): void {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined || first.at > until) break
      this.#pop()
      if (first.dead) continue
      this.now = first.at
      first.act()
    }
    this.now = until
  }

  #less(a: Entry, b: Entry): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order)
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    heap.push(entry)
    let index = heap.length - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#less(heap[index]!, heap[parent]!)) break
      ;[heap[index], heap[parent]] = [heap[parent]!, heap[index]!]
      index = parent
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    heap[0] = last
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      let least = index
      if (left < heap.length && this.#less(heap[left]!, heap[least]!)) least = left
      if (left + 1 < heap.length && this.#less(heap[left + 1]!, heap[least]!)) least = left + 1
      if (least === index) return
      ;[heap[index], heap[least]] = [heap[least]!, heap[index]!]
      index = least
    }
  }
}

/** A machine is up for a while before its daemon starts. */
const bootUs = 20_000_000

/** CLOCK_BOOTTIME of one machine. What was planned before a boot is forgotten with it. */
export class MachineClock implements Timeline {
  #since = 0
  #base = bootUs
  #boot = 0
  #hiddenSince: number | null = null
  #held: (() => void)[] = []

  /** `rate`: seconds of this clock in one second of the world. */
  constructor(private readonly world: Clock, readonly rate: number) {}

  get now(): number {
    return this.#localAt(this.#hiddenSince ?? this.world.now)
  }

  /** Grows with every boot. */
  get boot(): number {
    return this.#boot
  }

  get hidden(): boolean {
    return this.#hiddenSince !== null
  }

  at(at: number, act: () => void): () => void {
    let dead = false
    const boot = this.#boot
    const due = (): void => {
      if (dead || this.#boot !== boot) return
      if (this.#hiddenSince !== null) this.#held.push(due)
      else if (this.now < at) this.world.at(this.worldAt(at), due)
      else act()
    }
    this.world.at(this.worldAt(at), due)
    return () => { dead = true }
  }

  after(us: number, act: () => void): () => void {
    return this.at(this.now + us, act)
  }

  /** The machine stands still without its clock telling. */
  hide(): void {
    this.#hiddenSince ??= this.world.now
  }

  show(): void {
    if (this.#hiddenSince === null) return
    this.#base = this.#localAt(this.#hiddenSince)
    this.#since = this.world.now
    this.#hiddenSince = null
    for (const due of this.#held.splice(0)) due()
  }

  reboot(): void {
    this.#boot += 1
    this.#base = bootUs
    this.#since = this.world.now
    this.#hiddenSince = null
    this.#held = []
  }

  #localAt(world: number): number {
    return this.#base + Math.floor((world - this.#since) * this.rate)
  }

  /** When this clock will show that time. */
  worldAt(local: number): number {
    const world = this.#since + Math.ceil((local - this.#base) / this.rate)
    // What was rounded on the way there and back may be one short: it would never come.
    return Math.max(this.world.now, this.#localAt(world) < local ? world + 1 : world)
  }
}
