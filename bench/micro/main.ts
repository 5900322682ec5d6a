// npm run bench:micro: what the parts cost, each against the obvious alternative.
import { Command } from 'commander'

import { labObstacle } from '../../lab/lab.js'
import { addresses } from './address.js'
import { duty } from './duty.js'

const { seconds } = new Command('bench:micro')
  .description('what the parts cost, each against the obvious alternative: codec, HMAC, duty cycle, netlink, ARP, boundary')
  .option('--seconds <n>', 'for each measurement of processor time at rest', Number, 10)
  .parse()
  .opts<{ seconds: number }>()
await import('./engine.js')
addresses()
const obstacle = await labObstacle()
if (obstacle === null) await duty(seconds)
else console.log(`processor time at rest is not measured: ${obstacle}`)
