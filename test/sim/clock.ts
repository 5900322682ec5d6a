// The simulator's time: a heap of things to do, run in order of time and then of insertion.

interface Entry {
  readonly at: number
  readonly order: number
  readonly act: () => void
  dead: boolean
}

export class Clock {
  now = 0
  #heap: Entry[] = []
  #order = 0

  get pending(): number {
    return this.#heap.length
  }

  /** Returns a function that takes the entry back. */
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
