// What the packaged heartbeat 3.0.6 accepts and refuses, recorded file by file on the program itself. This
// reader gives the same verdict, but for the differences named here.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { kLabHost, load } from './support.js'

interface Verdict {
  haCf: string
  authkeys?: string
  haresources?: string
  authkeysMode?: string
  heartbeat: 'accepts' | 'refuses'
}

const golden = new URL('../../../test/golden/config/heartbeat-verdicts.json', import.meta.url)
const verdicts = JSON.parse(readFileSync(golden, 'utf8')) as Verdict[]
const kBase = [
  'logfile /var/log/ha-log', 'keepalive 100ms', 'deadtime 1', 'initdead 12', 'udpport 700', 'bcast eth1',
  'auto_failback on', 'node alpha beta', '',
].join('\n')

/** Refused here although heartbeat starts: what it would do then is worse than not starting. */
const kStricter = new Map([
  ['udpport 70000', 'the port wraps around to another one'],
  ['node gamma', 'three nodes'],
  ['node under_score beta.example.com', 'four nodes'],
  ['alpha 10.9.9.9\nbeta 10.9.9.9\n', 'one key twice: the second group can never be named'],
  ['alpha 10.9.9.9/24/eth0:1/10.9.9.255 IPaddr2::10.9.9.9\n', 'one address twice'],
])
/** Accepted here although heartbeat refuses: extensions, with a diagnostic. */
const kExtensions = new Map([
  ['auth 1\n1 sha256 k\n', 'sha256'],
  ['normalpoll true', 'a directive of other builds of heartbeat'],
  ['bcast eth9', 'a card that died must not keep out a node that another link reaches'],
  ['serial /dev/nosuch', 'likewise for an adapter that is unplugged'],
])

for (const verdict of verdicts) {
  const subject = verdict.haresources ?? verdict.authkeys ?? verdict.haCf
  const name = `heartbeat ${verdict.heartbeat} ${JSON.stringify(subject)}`
  const mode = verdict.authkeysMode === undefined ? '' : ` with mode ${verdict.authkeysMode}`
  test(name + mode, () => {
    const { config, diagnostics } = load({
      haCf: `${kBase}${verdict.haCf}\n`,
      authkeys: verdict.authkeys ?? 'auth 1\n1 sha1 k\n',
      haresources: verdict.haresources ?? 'alpha 10.9.9.9\n',
      authkeysMode: parseInt(verdict.authkeysMode ?? '0600', 8),
      host: kLabHost,
    })
    const differs = kStricter.has(subject) || kExtensions.has(subject)
    const wanted = (verdict.heartbeat === 'accepts') !== differs ? 'accepts' : 'refuses'
    const errors = diagnostics.filter((d) => d.severity === 'error').map((d) => d.message)
    assert.equal(config === null ? 'refuses' : 'accepts', wanted, errors.join('; '))
  })
}
