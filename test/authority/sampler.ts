// The prober of the lab, told to watch a scene, and what it says turned into samples.
import type { ChildProcess } from 'node:child_process'

import { ANSWER_PORT } from '../../lab/client.js'
import { VIPS } from '../../lab/pair-files.js'
import { exited } from '../../lab/processes.js'
import { Prober, startResponder, type ProbeEvent } from '../../lab/prober.js'
import type { Sample } from './samples.js'
import type { Scene } from './scene.js'

const EVERY_US = 500

/**
 * Somebody who answers in the network of each node, whatever happens to its processes: the client sees the address, not
 * a service.
 */
export async function startResponders({ pair }: Scene): Promise<ChildProcess[]> {
  return await Promise.all([pair.a, pair.b].map(({ node }) => startResponder({
    name: node.name, spawn: (argv, options) => node.spawnObserver(argv, options),
  }, ANSWER_PORT)))
}

export async function stopResponders(responders: readonly ChildProcess[]): Promise<void> {
  responders.forEach((child) => child.kill('SIGKILL'))
  await Promise.all(responders.map(exited))
}

export class Sampler {
  readonly #prober: Prober

  private constructor(prober: Prober) {
    this.#prober = prober
  }

  static async start({ pair }: Scene): Promise<Sampler> {
    return new Sampler(await Prober.start({
      nodes: [pair.a, pair.b].map(({ node }) => ({ name: node.name, pid: node.pid })),
      client: pair.lab.client, target: { kind: 'udp', address: VIPS[0], port: ANSWER_PORT }, addresses: VIPS, everyUs: EVERY_US,
    }))
  }

  /** Resolves when it stands in the stream: what is done next comes after it. */
  async mark(text: string): Promise<void> {
    await this.#prober.mark(text)
  }

  async stop(): Promise<Sample[]> {
    return samplesOf(await this.#prober.stop())
  }
}

/** Stamps may be a tick out of order. */
export function samplesOf(events: readonly ProbeEvent[]): Sample[] {
  const out = events.flatMap((event): Sample[] => {
    switch (event.e) {
      case 'addr': case 'held': case 'late': case 'stall': return [event]
      case 'answer': return [{ t: event.t, e: 'answer', from: event.from }]
      // The number that makes it unique is nobody else's matter.
      case 'mark': return [{ t: event.t, e: 'mark', text: event.text.replace(/ #\d+$/, '') }]
      case 'lost': throw new Error(`the sampler lost ${String(event.count)} events`)
      default: return []
    }
  })
  return out.sort((one, other) => one.t - other.t)
}
