import { wrapped, same, unchanged, answer, type Mutant } from './mutant.js'

export const releasedBeforeDone: Mutant = {
  name: 'released is said before it is done',
  why: 'the other node starts while the stop still runs',
  mode: 'accept',
  caughtBy: ['truthful', 'single-holder'],
  cores: () => wrapped(same, (effect, event) => {
    if (effect.type !== 'member.run' || effect.action !== 'stop') return unchanged()
    return { keep: true, feed: [answer(effect, 'stopped', event.at)] }
  }),
}
