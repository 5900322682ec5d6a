// npm run bench:failover: how long a client is without its address, for twinbeat and for its peers, on one machine.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

import { labObstacle } from '../../lab/lab.js'
import { headOf } from './machine.js'
import { parseOptions, usage, UsageError, type BenchOptions } from './options.js'
import { readResults, ResultsFile, emptyResults } from './results-file.js'
import { playAll } from './run.js'
import type { System } from './systems/system.js'
import { systems } from './systems/table.js'
import { markdownOf, withResults } from './markdown.js'
import { htmlPage, pictureOf } from './page.js'
import { terminalReport } from './report.js'
import { playStress } from './stress.js'

function chosen(options: BenchOptions): System[] {
  return systems.filter((one) => options.systems.includes(one.key)).filter((one) => {
    const obstacle = one.obstacle()
    if (obstacle !== null) process.stderr.write(`${one.key} is left out: ${obstacle}\n`)
    return obstacle === null
  })
}

async function measure(options: BenchOptions): Promise<void> {
  const obstacle = await labObstacle()
  if (obstacle !== null) throw new UsageError(`the benchmark cannot run here: ${obstacle}`)
  const some = chosen(options)
  if (!options.resume && existsSync(options.json)) rmSync(options.json)
  const file = new ResultsFile(options.json)
  const before = options.resume ? file.resume() : emptyResults
  file.append(await headOf(some))
  if (options.stressS > 0) await playStress(some, options.stressS, file)
  else await playAll(some, options, file, before)
}

function writeTo(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

function report(options: BenchOptions): void {
  const results = readResults(options.json)
  process.stdout.write(terminalReport(results))
  if (options.html !== null) writeTo(options.html, htmlPage(results))
  if (options.svg !== null) writeTo(options.svg, pictureOf(results))
  if (options.markdown !== null) {
    const page = existsSync(options.markdown) ? readFileSync(options.markdown, 'utf8') : '# What was measured\n'
    writeTo(options.markdown, withResults(page, markdownOf(results)))
  }
}

async function main(): Promise<number> {
  if (process.argv.includes('--help')) {
    process.stdout.write(usage)
    return 0
  }
  try {
    const options = parseOptions(process.argv.slice(2))
    if (!options.report) await measure(options)
    report(options)
    return 0
  } catch (error) {
    const known = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true
    if (!known) throw error
    process.stderr.write(`${(error as Error).message}\n\n${usage}`)
    return 2
  }
}

process.exitCode = await main()
