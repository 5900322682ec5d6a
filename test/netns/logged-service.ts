// Groups of an address and a service whose script writes down every call: what was touched, and what was
// not. The service is a process that outlives the script and answers on a port of its own.

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { ANSWER_PORT } from '../../lab/client.js'
import type { LabNode } from '../../lab/node.js'
import type { Pair } from '../../lab/pair.js'
import { VIPS } from '../../lab/pair-files.js'

const ANSWERER = fileURLToPath(new URL('../../lab/answer-process.js', import.meta.url))

/** logged NAME PORT start|stop|status: NAME is what the log calls it. */
const SCRIPT = `#!/bin/sh
echo "$1 $3" >> /var/log/calls
pid=$(cat "/run/$1.pid" 2>/dev/null)
alive() { [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }
case $3 in
start)
  alive && exit 0
  setsid "${process.execPath}" "${ANSWERER}" "$1" "$2" </dev/null >/dev/null 2>&1 &
  echo $! > "/run/$1.pid" ;;
stop)
  alive && kill "$pid"
  rm -f "/run/$1.pid" ;;
status)
  if alive; then echo running; else echo stopped; fi ;;
esac
exit 0
`

/** Answers on a port of its own, so that both may run on one node. */
export const SERVICES = ['web', 'db'] as const
export const portOf = (index: number): number => ANSWER_PORT + index

export const lineOf = (node: string, index: number, name: string): string =>
  `${node} IPaddr2::${VIPS[index]}/24/eth0 logged::${name}::${portOf(index)}\n`

/** One group for each node: its address and its service. */
export function groupLines(pair: Pair): string[] {
  return pair.settings.nodes.map((node, index) => lineOf(node, index, SERVICES[index] ?? ''))
}

export function writeLoggedService(pair: Pair): void {
  for (const { node } of [pair.a, pair.b]) {
    const folder = join(node.folders.haD, 'resource.d')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'logged'), SCRIPT)
    chmodSync(join(folder, 'logged'), 0o755)
    writeFileSync(join(node.folders.haD, 'haresources'), groupLines(pair).join(''))
  }
}

/** Every call of a service script on that node, oldest first: `web start`. */
export function callsOn(node: LabNode): string[] {
  const file = join(node.folders.log, 'calls')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
}
