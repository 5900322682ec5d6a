// `npm run bench:failover`, `bench:compare`, ...: everything a fresh clone needs, then the benchmark of that name. The peers are
// installed from Debian and not started.
//   node scripts/bench.mjs failover|compare|micro [OPTIONS]
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bootstrap } from './bootstrap.mjs'
import { root } from './node-home.mjs'
import { StepError, guardSignals, progress } from './steps.mjs'

/** @type {Readonly<Record<string, string>>} */
const mains = { failover: 'failover/main.js', compare: 'failover/compare-main.js', micro: 'micro/main.js' }

const [name = '', ...args] = process.argv.slice(2)
const main = join(root, 'dist', 'bench', mains[name] ?? '')
const release = guardSignals()
try {
  if (mains[name] === undefined) throw new StepError(`no benchmark '${name}'; there are: ${Object.keys(mains).join(' ')}`)
  await bootstrap({ command: 'bench', yes: args.includes('--yes'), compile: true })
  if (!existsSync(main)) throw new StepError(`${main} is missing after the build`)
} catch (error) {
  if (!(error instanceof StepError)) throw error
  progress(error.message)
  process.exit(1)
}
// From here on the signals are the benchmark's: it has its own machines to take down.
release()
process.argv = [process.execPath, main, ...args.filter((arg) => arg !== '--yes')]
await import(pathToFileURL(main).href)
