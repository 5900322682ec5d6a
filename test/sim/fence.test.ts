import { test } from 'node:test'
import { everyRuleHolds } from './hold.js'

test('every rule holds under fence in 2000 seeds from 1 on', () => {
  everyRuleHolds('fence', { from: 1, count: 2000 })
})
