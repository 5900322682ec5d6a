// docs/vm.md from the facts of a run.
import { cpus } from 'node:os'

import { kernelName } from './boot-files.js'
import type { Fact } from './plays.js'

const EXPLANATION = `Two nodes are emulated PCs (QEMU without hardware virtualisation) with Debian's own kernel, two networks, a
null-modem line, and an i6300esb or the kernel's softdog as watchdog; a third one carries etcd where a play needs it. Who holds what
is seen from outside: an observer on the clients' network asks ten times a second whose each address is, and hears the services. A
play ends at its first fact that does not hold. Keepalive is 250 ms, deadtime 8 s, the watchdogs bite after 5 s: timers of emulated
machines are coarse.
`

interface Played {
  readonly name: string
  readonly what: string
}

export function formatPage(plays: readonly Played[], facts: readonly Fact[], tookS: number): string {
  const held = facts.filter(({ problem }) => problem === null).length
  const machine = `${cpus().length} processors (${cpus()[0]?.model.trim() ?? 'unknown'}), kernel ${kernelName()} in the machines`
  return [
    '# On emulated machines', '', EXPLANATION,
    `Written by \`npm run test:vm\`: ${held} of ${facts.length} facts held, in ${tookS.toFixed(0)} s, on ${machine}.`, '',
    ...plays.flatMap(({ name, what }) => section(name, what, facts.filter(({ play }) => play === name))),
  ].join('\n')
}

function section(name: string, what: string, facts: readonly Fact[]): string[] {
  const cell = (text: string): string => text.replaceAll('|', '\\|')
  return [
    `## ${name}`, '', `${what[0]?.toUpperCase() ?? ''}${what.slice(1)}.`, '', '| fact | measured | took |', '|---|---|---|',
    ...facts.map(({ text, note, seconds, problem }) =>
      `| ${cell(text)} | ${problem === null ? cell(note) : `**does not hold: ${cell(problem)}**`} | ${seconds.toFixed(1)} s |`), '',
  ]
}
