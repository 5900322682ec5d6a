#!/usr/bin/env node
// What this daemon does once a year, it does in a millisecond or two: everything is compiled at the start, and stays so.
import { setFlagsFromString } from 'node:v8'

for (const flag of ['--no-lazy', '--no-flush-bytecode']) setFlagsFromString(flag)
const { main } = await import('../dist/src/daemon/main.js')
await main(process.argv)
