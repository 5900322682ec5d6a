import { textOf, unchanged, withText, wrapped, type Mutant } from './mutant.js'

export const watchdogOfEarlierLife: Mutant = {
  name: 'the watchdog of an earlier life is believed',
  why: 'the next life has none, and its services run on beyond its ownership',
  mode: 'lease',
  caughtBy: ['one-holder'],
  faults: {
    watchdogs: true, isolation: true, crashes: true, agents: true, daemonCrashes: true, freezes: false, blocks: false, stops: false,
    reloads: false, holds: false, operator: false, hiddenPauses: false, guardians: false, interfaces: false, oneWay: false,
    partitions: false, arbiter: false, ambushes: false, disk: false, hiccups: false, loss: false,
  },
  cores: () => {
    const known = new Map<string, string>()
    return (config, prng) => wrapped((event) => {
      if (event.type !== 'message' || textOf(event.fields, 't') !== 'tb_claims') return [event]
      const said = textOf(event.fields, 'tb_watchdog')
      if (said !== '0') known.set(config.self, said)
      return [{ ...event, fields: withText(event.fields, 'tb_watchdog', known.get(config.self) ?? said) }]
    }, unchanged)(config, prng)
  },
}
