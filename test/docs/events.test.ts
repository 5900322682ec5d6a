// docs/guide/at-3am.md explains every event that can stand in the log, and no event that cannot.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const noun = '[a-z_]+\\.'

/** Words of a union between two marks of a file: the states that an event's name can end with. */
function words(file: string, from: string, to: string, pattern: RegExp): string[] {
  const text = read(file)
  const start = text.indexOf(from)
  assert.ok(start >= 0, `${file} has no '${from}' any more`)
  const part = text.slice(start, text.indexOf(to, start + from.length))
  const found = [...part.matchAll(pattern)].flatMap(([, word]) => (word === undefined ? [] : [word]))
  assert.ok(found.length > 1, `no states found in ${file}`)
  return [...new Set(found)]
}

const quoted = /'([a-z-]+)'/g
const takeover = 'src/core/takeover/'
/** Events whose name ends with a state, by their noun: the states that can be entered. */
const families: Readonly<Record<string, () => readonly string[]>> = {
  group: () => words('src/core/types.ts', 'export type GroupStateName', 'export interface', /\| '([a-z]+)'/g)
    // A group is born unknown; that is never entered.
    .filter((state) => state !== 'unknown'),
  handover: () => words(`${takeover}handover.ts`, 'type Exchange', 'const retryUs', /state: ((?:'[a-z]+'(?: \| )?)+)/g)
    .flatMap((states) => [...states.matchAll(quoted)].map(([, state]) => state ?? '')),
  join: () => words('src/core/membership/join.ts', 'type State', 'type Reason', /name: '([a-z]+)'/g).filter((s) => s !== 'idle'),
  partition: () => words(`${takeover}heal.ts`, 'type State', 'export type', /name: '([a-z]+)'/g).filter((s) => s !== 'none'),
  peer: () => words('src/core/membership/peers.ts', 'export type PeerChange', 'export class', quoted).filter((s) => s !== 'none'),
  resources: () => words(`${takeover}resource-protocol.ts`, 'type Stage ', 'type StageReason', quoted).filter((s) => s !== 'init'),
  standby: () => words(`${takeover}standby.ts`, 'type State', 'type EndReason', /name: '([a-z]+)'/g).filter((s) => s !== 'not'),
  daemon: () => words('src/core/effects.ts', 'export interface HaltEffect', 'export interface PlanArmEffect', /'([a-z]+)'/g)
    .filter((s) => s !== 'halt'),
}

function eventsOfCode(): Set<string> {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.startsWith('config'))
    .map((file) => read(join('src', file)))
  const events = new Set<string>(['link.up', 'link.down'])
  for (const text of sources) {
    // `event: 'a.b'` of the log, and the event argument of the core's note(level, event, ...).
    for (const [, name] of text.matchAll(new RegExp(`event: '(${noun}[a-z-]+)'`, 'g'))) events.add(name ?? '')
    for (const [, name] of text.matchAll(new RegExp(`note\\([^\`\\n]{0,80}?, '(${noun}[a-z-]+)'`, 'g'))) events.add(name ?? '')
    for (const [, name] of text.matchAll(new RegExp(`\`(${noun})\\$\\{`, 'g'))) {
      const family = name?.slice(0, -1) ?? ''
      const states = families[family]
      if (states === undefined) continue
      for (const state of states()) events.add(`${family}.${state}`)
    }
  }
  return events
}

/** Every heading of the page that names events: `### peer.dead`, `### link.up, link.down`. */
function eventsOfPage(): string[] {
  return [...read('docs/guide/at-3am.md').matchAll(/^### (.+)$/gm)].flatMap(([, names]) => (names ?? '').split(', '))
}

test('every event of the log has a paragraph, and every paragraph an event', () => {
  const code = eventsOfCode()
  const page = eventsOfPage()
  assert.ok(code.size > 50, `only ${code.size} events were found in the sources`)
  assert.deepEqual([...code].filter((event) => !page.includes(event)).sort(), [])
  assert.deepEqual(page.filter((event) => !code.has(event)), [])
  assert.equal(new Set(page).size, page.length)
})

test('every paragraph names the next command', () => {
  const sections = read('docs/guide/at-3am.md').split(/^### /m).slice(1)
  const without = sections.filter((section) => !/\*\*Next:\*\*/.test(section)).map((section) => section.split('\n')[0])
  assert.deepEqual(without, [])
})
