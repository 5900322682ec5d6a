// Two processes, two links. In one terminal:  node examples/two-links.mjs left
// in another:                                 node examples/two-links.mjs right      then kill one of them.
import { Engine } from 'twinbeat'

const self = process.argv[2] === 'right' ? 'right' : 'left'
const [mine, theirs] = self === 'left' ? [7001, 7101] : [7101, 7001]
const link = (name, offset) => ({ type: 'ucast', name, interface: null, address: '127.0.0.1', port: theirs + offset,
  localAddress: '127.0.0.1', localPort: mine + offset })
const engine = new Engine({ wake: () => engine.drain().forEach((record) => console.log(record.type, record)) })
engine.configure({
  revision: 1, hopfudge: 1, muteAfterPause: false,
  self: { name: self, uuid: new TextEncoder().encode(self.padEnd(16)) },
  nodes: [{ name: 'left', uuid: null }, { name: 'right', uuid: null }],
  timing: { keepaliveUs: 100_000, deadtimeUs: 500_000, warntimeUs: 250_000, initdeadUs: 30_000_000, deadpingUs: 500_000,
    maxRexmitDelayUs: 250_000 },
  auth: { signIndex: 1, keys: [{ index: 1, method: 'sha1', key: new TextEncoder().encode('a secret') }] },
  links: [link('first', 0), link('second', 1)],
})
engine.setGeneration(Math.floor(Date.now() / 1000)) // must grow with every start
engine.start()
engine.setStatus('active', { deadtimeExtraUs: 0 })
engine.setPhase('started') // from now on silence counts by deadtime
