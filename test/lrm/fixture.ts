// Agents made for one test: small scripts in a private folder, an Lrm with short grace periods.

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Lrm, type LrmOptions } from '../../src/lrm/lrm.js'
import type { AgentClassName, AgentResult, AgentTarget } from '../../src/lrm/types.js'

export const GRACE_MS = 300
export const REAP_MS = 600

export class Workshop {
  readonly dir = mkdtempSync(join(tmpdir(), 'twinbeat-lrm-'))
  readonly #lrms: Lrm[] = []

  constructor(t: TestContext) {
    t.after(async () => {
      for (const lrm of this.#lrms) await lrm.close()
      rmSync(this.dir, { recursive: true, force: true })
    })
  }

  path(name: string): string {
    return join(this.dir, name)
  }

  /** The body goes below `#!/bin/sh` unless it brings its own first line. */
  script(name: string, body: string, mode = 0o755): string {
    const path = this.path(name)
    writeFileSync(path, body.startsWith('#!') ? body : `#!/bin/sh\n${body}\n`)
    chmodSync(path, mode)
    return path
  }

  agent(
    className: AgentClassName,
    name: string,
    body: string,
    more: Partial<AgentTarget> = {},
  ): AgentTarget {
    const path = this.script(name, body)
    return this.target(className, name, path, more)
  }

  target(
    className: AgentClassName,
    name: string,
    path: string,
    more: Partial<AgentTarget> = {},
  ): AgentTarget {
    const base = {
      id: `group/${name}`,
      class: className,
      name,
      provider: null,
      path,
      args: [],
      parameters: {},
    }
    return { ...base, ...more }
  }

  lrm(options: Partial<LrmOptions> = {}): Lrm {
    mkdirSync(this.path('rsctmp'), { recursive: true })
    const lrm = new Lrm({
      nodeName: 'alpha',
      haDir: this.dir,
      rscTmpDir: this.path('rsctmp'),
      graceMs: GRACE_MS,
      reapMs: REAP_MS,
      ...options,
    })
    this.#lrms.push(lrm)
    return lrm
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8')
  }
}

/** Waits for something another process does; fails instead of hanging. */
export async function until(what: string, holds: () => boolean, limitMs = 5000): Promise<void> {
  const startedAt = performance.now()
  while (!holds()) {
    if (performance.now() - startedAt > limitMs)
      throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
  } catch {
    return false
  }
}

/** The short form that most tests compare. */
export function gist(result: AgentResult): string {
  const { execution, ok, state, exitCode } = result
  return `${execution} ${ok ? 'ok' : 'bad'} ${state} ${exitCode ?? '-'}`
}
