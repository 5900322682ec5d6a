// `npm run demo`: everything a fresh clone needs, then the demonstration. Options after `--` go to the demonstration.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bootstrap } from './bootstrap.mjs'
import { root } from './node-home.mjs'
import { StepError, guardSignals, progress } from './steps.mjs'

const main = join(root, 'dist', 'demo', 'main.js')
const args = process.argv.slice(2)
const release = guardSignals()
try {
  await bootstrap({ command: 'demo', yes: args.includes('--yes'), compile: true })
  if (!existsSync(main)) throw new StepError('dist/demo/main.js is missing after the build')
} catch (error) {
  if (!(error instanceof StepError)) throw error
  progress(error.message)
  process.exit(1)
}
// From here on the signals are the demonstration's: it has its own machines to take down.
release()
process.argv = [process.execPath, main, ...args.filter((arg) => arg !== '--yes')]
await import(pathToFileURL(main).href)
