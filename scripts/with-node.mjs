// Runs a script on another Node line: node scripts/with-node.mjs 24 SCRIPT [ARG...]
import { spawnSync } from 'node:child_process'
import { nodeOfLine } from './node-lines.mjs'

const [line = '', ...args] = process.argv.slice(2)
if (!/^\d+$/.test(line) || args.length === 0) {
  console.error('usage: node scripts/with-node.mjs MAJOR SCRIPT [ARG...]')
  process.exit(2)
}
let binary
try {
  binary = nodeOfLine(line)
} catch (error) {
  console.error(`twinbeat: no Node ${line} here: ${error instanceof Error ? error.message : error}`)
  process.exit(1)
}
const run = spawnSync(binary, args, { stdio: 'inherit' })
if (run.error !== undefined) console.error(`twinbeat: ${run.error.message}`)
process.exit(run.status ?? 1)
