import { wrapped, unchanged, textOf, type Mutant } from './mutant.js'

export const exchangeForgotten: Mutant = {
  name: 'a restarted taker has forgotten the exchange',
  why: 'the giver waits for ever for held or refused',
  mode: 'accept',
  caughtBy: ['liveness', 'exchange-ends-once'],
  faults: { operator: true, crashes: true },
  cores: () => {
    const lives = new Map<string, number>()
    return (config, prng) => {
      const life = (lives.get(config.self) ?? 0) + 1
      lives.set(config.self, life)
      return wrapped((event) => {
        const asked = event.type === 'message' && ['query', 'released'].includes(textOf(event.fields, 'tb_op'))
        return life > 1 && asked ? [] : [event]
      }, unchanged)(config, prng)
    }
  },
}
