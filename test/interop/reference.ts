// The warnings that a pair of real heartbeats logs in each scenario, recorded by
// `npm run test:interop -- --record-reference`.

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import type { Reference } from './lane.js'

export const REFERENCE_FILE = fileURLToPath(new URL('../../../test/interop/reference.json', import.meta.url))

export function loadReference(): Reference {
  return existsSync(REFERENCE_FILE) ? (JSON.parse(readFileSync(REFERENCE_FILE, 'utf8')) as Reference) : {}
}
