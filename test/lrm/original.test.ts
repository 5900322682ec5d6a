// The text rule held against the original program itself, where Debian's heartbeat is installed.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { ownedByText } from '../../src/lrm/judge.js'
import { Workshop } from './fixture.js'

const RESOURCE_MANAGER = '/usr/share/heartbeat/ResourceManager'
const TEXTS = 80

test('the text rule gives what the original ResourceManager gives', (t) => {
  if (!existsSync(RESOURCE_MANAGER) || process.getuid?.() !== 0) {
    t.skip(`needs root and ${RESOURCE_MANAGER}`)
    return
  }
  const shop = new Workshop(t)
  const part = fc.constantFrom(
    'not',
    'Not',
    ' ',
    ' ',
    'running',
    'Running',
    'OK',
    'ok',
    '\n',
    'x',
    ':',
  )
  const texts = fc.sample(fc.array(part, { maxLength: 7 }), { numRuns: TEXTS, seed: 306 })
  const lines = texts.map((parts) => parts.join(''))
  for (const [i, text] of lines.entries()) writeFileSync(shop.path(`text-${i}`), text)
  // A private copy of /etc/ha.d with one resource, mounted over the real one for this process tree.
  const script = `set -e
    mount --make-rprivate /
    cp -a /etc/ha.d ${shop.path('ha.d')}
    mount --bind ${shop.path('ha.d')} /etc/ha.d
    printf '#!/bin/sh\\ncat $TEXT\\n' > /etc/ha.d/resource.d/Answer
    chmod 755 /etc/ha.d/resource.d/Answer
    echo 'node Answer' > /etc/ha.d/haresources
    for i in $(seq 0 ${TEXTS - 1}); do
      export TEXT=${shop.dir}/text-$i
      code=0; ${RESOURCE_MANAGER} status Answer > /dev/null 2>&1 || code=$?
      echo $code
    done`
  writeFileSync(shop.path('run'), script)
  chmodSync(shop.path('run'), 0o755)
  const run = spawnSync('unshare', ['-m', 'sh', shop.path('run')], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.equal(run.status, 0, run.stderr)
  const answers = run.stdout
    .trim()
    .split('\n')
    .map((code) => code === '0')
  assert.equal(answers.length, TEXTS)
  assert.ok(answers.includes(true) && answers.includes(false))
  for (const [i, text] of lines.entries())
    assert.equal(ownedByText(text), answers[i], JSON.stringify(text))
})
