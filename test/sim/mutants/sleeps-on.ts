import { wrapped, unchanged, type Mutant } from './mutant.js'

export const sleepsOn: Mutant = {
  name: 'a node that slept too long keeps what it has',
  why: 'its own pause is not seen as a loss of authority',
  mode: 'accept',
  caughtBy: ['heal', 'wake', 'single-holder', 'liveness'],
  cores: () => wrapped((event) => (event.type === 'stall' ? [{ ...event, muted: false }] : [event]), unchanged),
}
