// The scripts of cluster-glue: external/NAME, run by their documented interface. Parameters by environment, host and
// action as arguments, exit 0 only when it is done.

import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { FenceDeviceConfig } from '../../config/model.js'
import { confirmed, failed, failureOf, hostList, inList, succeeded } from '../answers.js'
import { deviceEnvironment, gluePath, namedParameters } from '../environment.js'
import type { Attempt, DeviceKind, DeviceTarget, FenceAction, FenceAnswer, FenceDevice, FencePlaces } from '../types.js'

const prefix = 'external/'
const groupOrOthersWrite = 0o022

export const external: DeviceKind = {
  name: 'external',
  takes: (type) => /^external\/[A-Za-z0-9._-]+$/.test(type),
  program: (type, places) => join(places.externalDir, type.slice(prefix.length)),
  open: (config, places) => new ExternalDevice(config, places),
}

const callOf = { off: 'off', on: 'on', reboot: 'reset' } as const

class ExternalDevice implements FenceDevice {
  readonly #program: string

  constructor(private readonly config: FenceDeviceConfig, places: FencePlaces) {
    this.#program = join(places.externalDir, config.type.slice(prefix.length))
  }

  async order(action: FenceAction, target: DeviceTarget, attempt: Attempt): Promise<FenceAnswer> {
    const unfit = unfitPlugin(this.#program)
    if (unfit !== null) return failed(unfit)
    const { env, problem } = await this.#environment(attempt)
    if (problem !== null) return problem
    const call = async (...args: string[]) => await attempt.run({ program: this.#program, args, env, input: '' })
    if (action === 'status') {
      const status = await call('status')
      if (!succeeded(status)) return failureOf('status', status)
    }
    const hosts = await call('gethosts')
    if (!succeeded(hosts) || hosts.kind !== 'exited') return failureOf('gethosts', hosts)
    const wanted = target.as ?? target.node
    const host = inList(hostList(hosts.stdout), wanted)
    if (host === null) return failed(`'${wanted}' is none of its hosts: ${hostList(hosts.stdout).join(' ') || 'none'}`)
    if (action === 'status') return confirmed(`reaches the device, which knows ${host}`)
    const word = callOf[action]
    const done = await call(word, host)
    return succeeded(done) ? confirmed(`${word} ${host}: done`) : failureOf(`${word} ${host}`, done)
  }

  async #environment(attempt: Attempt): Promise<{ env: Record<string, string>; problem: FenceAnswer | null }> {
    const base = { ...deviceEnvironment(gluePath), HA_LOGTAG: this.config.type }
    const { parameters, positional } = this.config
    if (positional === null) return { env: { ...base, ...Object.fromEntries(parameters) }, problem: null }
    const names = await attempt.run({ program: this.#program, args: ['getconfignames'], env: base, input: '' })
    if (!succeeded(names) || names.kind !== 'exited') return { env: base, problem: failureOf('getconfignames', names) }
    return { env: { ...base, ...namedParameters(hostList(names.stdout), positional) }, problem: null }
  }
}

/** As the original: a program that others can write is somebody else's program. */
function unfitPlugin(program: string): string | null {
  const stat = statSync(program, { throwIfNoEntry: false })
  if (stat === undefined) return `'${program}' does not exist`
  if (!stat.isFile()) return `'${program}' is not a regular file`
  if ((stat.mode & 0o111) === 0) return `'${program}' is not executable`
  if ((stat.mode & groupOrOthersWrite) !== 0) return `'${program}' can be written by others than its owner, and is not run`
  return null
}
