// Small programs of the lab that must not be JavaScript: compiled on first use, kept by what their sources and flags are.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { must } from './processes.js'

export const PROJECT = fileURLToPath(new URL('../../', import.meta.url))
const FLAGS = ['-std=c++20', '-O2', '-Wall', '-Wextra', '-pthread', '-static-libstdc++', '-static-libgcc']
const BUILD_TIMEOUT_MS = 300_000

/** Lanes of one process that ask at the same time wait for one and the same build. */
const underWay = new Map<string, Promise<string>>()

/** Resolves with the path of the program. Headers count as sources; two that build at once do not meet. */
export async function compiledProgram(name: string, sources: readonly string[]): Promise<string> {
  const building = underWay.get(name) ?? compiled(name, sources)
  underWay.set(name, building)
  try {
    return await building
  } finally {
    underWay.delete(name)
  }
}

async function compiled(name: string, sources: readonly string[]): Promise<string> {
  const digest = createHash('sha256').update(FLAGS.join(' '))
  for (const path of sources) digest.update(basename(path)).update(readFileSync(path))
  const folder = join(PROJECT, '.cache', name)
  const program = join(folder, `${name}-${digest.digest('hex').slice(0, 16)}`)
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  const part = `${program}.part-${process.pid}`
  const compiler = (process.env['CXX'] ?? 'g++').split(' ').filter((word) => word !== '')
  try {
    await must([...compiler, ...FLAGS, '-o', part, ...sources.filter((path) => path.endsWith('.cc'))], { timeoutMs: BUILD_TIMEOUT_MS })
    renameSync(part, program)
  } finally {
    rmSync(part, { force: true })
  }
  return program
}
