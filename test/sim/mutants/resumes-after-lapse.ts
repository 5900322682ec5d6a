import { wrapped, unchanged, type Mutant } from './mutant.js'

export const resumesAfterLapse: Mutant = {
  name: 'JavaScript goes on after its lapse',
  why: 'the engine has let go and said so; this life believes that it holds',
  mode: 'accept',
  caughtBy: ['authority', 'single-holder', 'heal', 'truthful', 'liveness', 'last-words'],
  faults: { blocks: true },
  flaws: ['no-terminal'],
  cores: () => wrapped((event) => (event.type === 'controller.lapsed' || event.type === 'group.released' ? [] : [event]), unchanged),
}
