// npm run bench:compare -- A.jsonl B.jsonl
import { existsSync } from 'node:fs'

import { compare, compareText } from './compare.js'
import { readResults } from './results-file.js'

const [before = '', after = ''] = process.argv.slice(2)
if (!existsSync(before) || !existsSync(after)) {
  process.stderr.write('usage: npm run bench:compare -- BEFORE.jsonl AFTER.jsonl (or .jsonl.gz)\n')
  process.exitCode = 2
} else {
  const rows = compare(readResults(before), readResults(after))
  process.stdout.write(rows.length === 0 ? 'nothing was measured in both\n' : compareText(rows))
}
