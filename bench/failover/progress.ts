// What is being done, how much is left and how long that will take, on one line of a terminal.
import type { Sample } from './samples.js'

const clock = (seconds: number): string => {
  const minutes = Math.floor(seconds / 60)
  return minutes >= 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : minutes > 0 ? `${minutes} min` : `${Math.ceil(seconds)} s`
}

export class Progress {
  private readonly beganMs = performance.now()
  private done = 0
  private current = ''
  private last = ''

  constructor(private readonly total: number, private readonly out: NodeJS.WriteStream = process.stderr) {}

  now(what: string): void {
    this.current = what
    this.draw()
  }

  made(system: string, sample?: Sample): void {
    this.done += 1
    if (sample !== undefined) {
      const takeover = sample.takeoverMs === null ? 'no takeover' : `${sample.takeoverMs.toFixed(2)} ms`
      this.last = `${system} ${sample.fault} ${takeover}${sample.voided === null ? '' : ` (void: ${sample.voided})`}`
      if (!this.out.isTTY) this.out.write(`${this.done}/${this.total} ${this.last}${this.left()}\n`)
    }
    this.draw()
  }

  say(text: string): void {
    this.out.write(`${this.out.isTTY ? '\r\x1b[K' : ''}${text}\n`)
    this.draw()
  }

  end(): void {
    if (this.out.isTTY) this.out.write('\r\x1b[K')
  }

  private left(): string {
    if (this.done === 0) return ''
    const seconds = (performance.now() - this.beganMs) / 1000
    return `, ${clock((seconds / this.done) * (this.total - this.done))} left`
  }

  private draw(): void {
    if (!this.out.isTTY) return
    const text = `${this.done} of ${this.total}${this.left()}: ${this.current}; last: ${this.last}`
    this.out.write(`\r\x1b[K${text.slice(0, (this.out.columns || 100) - 1)}`)
  }
}
