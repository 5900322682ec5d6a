// Whether the machine itself stood still while a cell was played. A virtual machine that is paused for
// seconds makes every pair in it declare deaths, rightly; such a cell says nothing about the daemons.

const LOOK_EVERY_MS = 50

export class StallWatch {
  private readonly timer: NodeJS.Timeout
  private lastMs = performance.now()
  private longestMs = 0

  constructor() {
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS)
    this.timer.unref()
  }

  /** The longest time in which this process was not run although it was due. */
  stop(): number {
    clearInterval(this.timer)
    this.look()
    return this.longestMs
  }

  private look(): void {
    const now = performance.now()
    this.longestMs = Math.max(this.longestMs, now - this.lastMs - LOOK_EVERY_MS)
    this.lastMs = now
  }
}
