// The first thing that a pair must do, on machines of its own.
import { epochMs } from '../../../lab/owners.js'
import { seconds, withPair, type Play } from '../plays.js'
import { VIPS } from '../pair.js'

export const failover: Play = {
  name: 'failover',
  what: 'a pair on two machines; one is reset by its button',
  run: async (show, nice) => {
    await withPair({ nice }, show, async (pair) => {
      const { a, observer } = pair
      await show('each node holds its own address', async () => { await pair.start() })
      await show('a node that is reset loses its address to the other', async () => {
        const fromMs = epochMs()
        await a.machine.reset()
        await pair.holds('nodeb', 'nodeb')
        return `address unowned for ${seconds(observer.longestGapMs(VIPS[0], fromMs))}`
      })
      await show('it boots, its daemon starts, and it takes nothing that the other holds', async () => {
        await a.machine.booted(2)
        await a.start()
        await a.when('knows the holder', ({ groups }) => groups.every(({ holder }) => holder === 'nodeb'))
        await pair.holds('nodeb', 'nodeb')
        pair.assertOneOwner()
      })
    })
  },
}
