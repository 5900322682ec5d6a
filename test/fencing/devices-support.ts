// Devices made for tests: programs in a folder of their own, run as the daemon runs real ones.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FenceDeviceConfig } from '../../src/config/model.js'
import { nodeId } from '../../src/core/base/ids.js'
import { Fencer } from '../../src/fence/fencer.js'
import { defaultPlaces, type FenceAction, type FenceAnswer, type FencePlaces } from '../../src/fence/types.js'
import { programStarter } from '../../src/lrm/program.js'
import { spawner } from '../../src/system/spawner.js'

export function deviceConfig(type: string, change: Partial<FenceDeviceConfig> = {}): FenceDeviceConfig {
  return {
    name: 'device', type, targets: null, parameters: [], positional: null, secrets: [], timeoutUs: 10_000_000, tries: 1,
    testEveryUs: 0, at: { file: '', line: 1, column: 1 }, ...change,
  }
}

/** One device behind the same door as in the daemon. */
export class Bench {
  readonly dir = mkdtempSync(join(tmpdir(), 'twinbeat-fence-'))
  readonly places: FencePlaces
  readonly fencer: Fencer

  constructor(places: Partial<FencePlaces> = {}) {
    this.places = { ...defaultPlaces, ...places }
    this.fencer = new Fencer(programStarter(spawner), this.places)
  }

  /** A bench whose external plugins and agents are those of the test. */
  static own(): Bench {
    const bench = new Bench()
    const own = new Bench({ externalDir: bench.dir, agentDir: bench.dir, ssh: join(bench.dir, 'ssh') })
    own.others.push(bench)
    return own
  }

  readonly others: Bench[] = []

  get programs(): string {
    return this.others[0]?.dir ?? this.dir
  }

  write(name: string, text: string, mode = 0o755): string {
    const file = join(this.programs, name)
    mkdirSync(this.programs, { recursive: true })
    writeFileSync(file, text)
    chmodSync(file, mode)
    return file
  }

  async order(config: FenceDeviceConfig, action: FenceAction, target = 'beta', timeoutMs = 10_000): Promise<FenceAnswer> {
    this.fencer.configure([config])
    return await this.fencer.order({ device: config.name, action, target, timeoutMs })
  }

  close(): void {
    for (const bench of [this, ...this.others]) rmSync(bench.dir, { recursive: true, force: true })
  }
}

export const onlyBeta: FenceDeviceConfig['targets'] = [{ node: nodeId('beta'), as: null }]

/** A plugin of cluster-glue; `parts` are the shell lines of its calls. */
export function pluginText(parts: Readonly<Record<string, string>> = {}): string {
  const calls: Record<string, string> = {
    gethosts: 'echo "$hostlist"', status: 'exit 0', off: 'exit 0', on: 'exit 0', reset: 'exit 0',
    getconfignames: 'echo hostlist; echo password', ...parts,
  }
  const cases = Object.entries(calls).map(([name, lines]) => `${name}) ${lines};;`)
  return ['#!/bin/sh', 'case $1 in', ...cases, '*) exit 1;;', 'esac', ''].join('\n')
}

/** A fence agent that keeps its outlet in a file; `parts` replace what it does for an action. */
export function agentText(state: string, parts: Readonly<Record<string, string>> = {}): string {
  const names = ['ip', 'username', 'password', 'plug', 'action']
  const actions: Record<string, string> = {
    on: `echo on > ${state}`, off: `echo off > ${state}`, reboot: `echo on > ${state}`, monitor: 'exit 0',
    status: `read now < ${state}; test "$now" = on && exit 0; exit 2`, ...parts,
  }
  const declared = Object.keys(actions).filter((name) => actions[name] !== 'missing')
  const xml = `<resource-agent name="t"><parameters>${names.map((name) => `<parameter name="${name}"/>`).join('')}</parameters>`
    + `<actions>${declared.map((name) => `<action name="${name}"/>`).join('')}</actions></resource-agent>`
  return ['#!/bin/sh', 'while IFS="=" read -r key value; do eval "in_$key=\\$value"; done',
    'case $in_action in', `metadata) echo '${xml}';;`,
    ...declared.map((name) => `${name}) ${actions[name] ?? ''};;`), '*) exit 1;;', 'esac', ''].join('\n')
}
