// A reporter for node:test that writes plain counts as one JSON line: the text of the others is for people and differs
// between Node versions. Leaves are counted, suites are not; a file that reports nothing but itself has no tests.
import { isAbsolute } from 'node:path'

// The set-up brings every program there is a test for. A test that finds none is a package that nobody named, and a run
// that skips it would be green for ever.
const lacksProgram = / is (missing|not installed|not built)$/

/** @param {AsyncIterable<{ type: string, data: any }>} source */
export default async function * countReporter(source) {
  const names = () => /** @type {string[]} */ ([])
  const counts = { passed: 0, failed: 0, skipped: 0, empty: names(), failures: names(), skips: names() }
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const isFile = data.nesting === 0 && (isAbsolute(data.name) || data.name === data.file) && data.name.endsWith('.js')
    const skip = data.skip ?? data.todo ?? false
    // A suite that is left out reports none of its tests: it counts as one.
    if (data.details?.type === 'suite' && type === 'test:pass' && skip === false) continue
    if (typeof skip === 'string' && lacksProgram.test(skip)) {
      counts.failed++
      counts.failures.push(`${data.file ?? ''}: ${data.name} (${skip})`)
    } else if (skip !== false) {
      counts.skipped++
      counts.skips.push(`${data.file ?? ''}: ${data.name} (${skip === true ? 'no reason given' : skip})`)
    } else if (type === 'test:pass' && isFile) counts.empty.push(data.name)
    else if (type === 'test:pass') counts.passed++
    else if (data.details?.error?.failureType !== 'subtestsFailed') {
      counts.failed++
      counts.failures.push(`${data.file ?? ''}: ${data.name}${reasonOf(data.details?.error)}`)
    }
  }
  yield `${JSON.stringify(counts)}\n`
}

/** The first words of an error: a summary without them sends its reader through thousands of lines. @param {any} error */
function reasonOf(error) {
  const said = String(error?.cause?.message ?? error?.message ?? '').replace(/\s+/g, ' ').trim()
  return said === '' ? '' : ` (${said.length > 300 ? `${said.slice(0, 299)}…` : said})`
}
