import { test } from 'node:test'
import { everyRuleHolds } from './hold.js'

test('every rule holds under lease in 1000 seeds from 1 on', () => {
  everyRuleHolds('lease', { from: 1, count: 1000 })
})
