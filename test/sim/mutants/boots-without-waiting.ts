import { wrapped, unchanged, type Mutant } from './mutant.js'

export const bootsWithoutWaiting: Mutant = {
  name: 'a machine that has just booted does not wait for its peer',
  why: 'two machines shoot each other for ever',
  mode: 'fence',
  caughtBy: ['boot'],
  faults: { crashes: true, partitions: true },
  cores: () => wrapped((event) => (event.type === 'boot'
    ? [{ ...event, persisted: { ...event.persisted, 'boot:seen': '1', 'boot:life': '1' } }] : [event]), unchanged),
}
