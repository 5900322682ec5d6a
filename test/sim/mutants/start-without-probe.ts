import { wrapped, same, unchanged, answer, type Mutant } from './mutant.js'

export const startWithoutProbe: Mutant = {
  name: 'start without probe',
  why: 'what an earlier life left running is started a second time',
  mode: 'accept',
  caughtBy: ['probe-first'],
  cores: () => wrapped(same, (effect, event) => {
    if (effect.type !== 'member.run' || effect.action !== 'probe') return unchanged()
    return { keep: false, feed: [answer(effect, 'stopped', event.at)] }
  }),
}
