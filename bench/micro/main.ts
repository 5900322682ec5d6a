// npm run bench:micro: what the parts cost, each against the obvious alternative.
//   [-- --seconds 10]   for each measurement of processor time at rest
import { labObstacle } from '../../lab/lab.js'
import { addresses } from './address.js'
import { duty } from './duty.js'

const at = process.argv.indexOf('--seconds')
const seconds = at < 0 ? 10 : Number(process.argv[at + 1])
await import('./engine.js')
addresses()
const obstacle = await labObstacle()
if (obstacle === null) await duty(seconds)
else console.log(`processor time at rest is not measured: ${obstacle}`)
