import { test } from 'node:test'
import { everyRuleHolds } from './hold.js'

test('every rule holds under accept in 2000 seeds from 1 on', () => {
  everyRuleHolds('accept', { from: 1, count: 2000 })
})
