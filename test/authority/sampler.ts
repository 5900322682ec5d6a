// The prober of the lab, told to watch a scene, and what it says turned into samples.
import { VIPS } from '../../lab/pair-files.js'
import { Prober, type ProbeEvent } from '../../lab/prober.js'
import type { Sample } from './samples.js'
import type { Scene } from './scene.js'

export class Sampler {
  readonly #prober: Prober

  private constructor(prober: Prober) {
    this.#prober = prober
  }

  /** The kernel of whoever has the address answers the client, whatever happens to the processes there. */
  static async start({ pair }: Scene, everyUs: number): Promise<Sampler> {
    return new Sampler(await Prober.start({
      nodes: [pair.a, pair.b].map(({ node }) => ({ name: node.name, pid: node.pid })),
      client: pair.lab.client, target: { kind: 'icmp', address: VIPS[0] }, addresses: VIPS, everyUs,
    }))
  }

  /** Resolves when it stands in the stream: what is done next comes after it. */
  async mark(text: string): Promise<void> {
    await this.#prober.mark(text)
  }

  async stop(): Promise<Sample[]> {
    const events = await this.#prober.stop()
    const last = events.at(-1)
    if (last?.e !== 'end') throw new Error(`the sampler ended before it was told to, after ${JSON.stringify(last)}`)
    return samplesOf(events)
  }
}

/** Stamps may be a tick out of order. */
export function samplesOf(events: readonly ProbeEvent[]): Sample[] {
  const out = events.flatMap((event): Sample[] => {
    switch (event.e) {
      case 'addr': case 'held': case 'late': case 'stall': return [event]
      case 'answer': return [{ t: event.t, e: 'answer' }]
      // The number that makes it unique is nobody else's matter.
      case 'mark': return [{ t: event.t, e: 'mark', text: event.text.replace(/ #\d+$/, '') }]
      case 'lost': throw new Error(`the sampler lost ${String(event.count)} events`)
      default: return []
    }
  })
  return out.sort((one, other) => one.t - other.t)
}
