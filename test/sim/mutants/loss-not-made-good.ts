import { wrapped, unchanged, type Mutant } from './mutant.js'

export const lossNotMadeGood: Mutant = {
  name: 'lost records are not made good',
  why: 'a death that was lost is never acted upon',
  mode: 'accept',
  caughtBy: ['liveness', 'authority', 'single-holder', 'heal', 'wake'],
  faults: { blocks: true, partitions: true, crashes: true, freezes: false, loss: false, stops: false, operator: false },
  cores: () => (config, prng) => {
    let skip = false
    return wrapped((event) => {
      if (event.type === 'overflow') skip = true
      else if (event.type !== 'peer.status' && event.type !== 'peer.dead' && event.type !== 'stall') skip = false
      return skip ? [] : [event]
    }, unchanged)(config, prng)
  },
}
