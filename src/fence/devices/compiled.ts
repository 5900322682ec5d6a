// The compiled plugins of cluster-glue, by Debian's `stonith` command. Parameters go by its -E (from the
// environment): on its command line everybody could read them.

import { kCompiled, kOwn } from '../../config/fence-types.js'
import type { FenceDeviceConfig } from '../../config/model.js'
import { confirmed, failed, failureOf, hostList, inList, succeeded } from '../answers.js'
import { deviceEnvironment, gluePath, namedParameters } from '../environment.js'
import type { Attempt, DeviceKind, DeviceTarget, FenceAction, FenceAnswer, FenceDevice, FencePlaces } from '../types.js'

/** Some exist here too; with this prefix the plugin is meant. `suicide` is none: it ends only its own node. */
const prefix = 'stonith/'

export const compiled: DeviceKind = {
  name: 'compiled',
  takes: (type) => (type.startsWith(prefix) ? [...kCompiled, ...kOwn].includes(type.slice(prefix.length)) : kCompiled.includes(type)),
  program: (_, places) => places.stonith,
  open: (config, places) => new CompiledDevice(config, places),
}

const callOf = { off: 'off', on: 'on', reboot: 'reset' } as const

class CompiledDevice implements FenceDevice {
  readonly #type: string

  constructor(private readonly config: FenceDeviceConfig, private readonly places: FencePlaces) {
    this.#type = config.type.startsWith(prefix) ? config.type.slice(prefix.length) : config.type
  }

  async order(action: FenceAction, target: DeviceTarget, attempt: Attempt): Promise<FenceAnswer> {
    const { env, problem } = await this.#environment(attempt)
    if (problem !== null) return problem
    const call = async (...args: string[]) =>
      await attempt.run({ program: this.places.stonith, args: ['-t', this.#type, '-E', ...args], env, input: '' })
    if (action === 'status') {
      const status = await call('-S')
      if (!succeeded(status)) return failureOf('status', status)
    }
    const hosts = await call('-l')
    if (!succeeded(hosts) || hosts.kind !== 'exited') return failureOf('list of hosts', hosts)
    const wanted = target.as ?? target.node
    // The plugin `null` reports success for hosts that it does not know.
    const host = inList(hostList(hosts.stdout), wanted)
    if (host === null) return failed(`'${wanted}' is none of its hosts: ${hostList(hosts.stdout).join(' ') || 'none'}`)
    if (action === 'status') return confirmed(`reaches the device, which knows ${host}`)
    const done = await call('-T', callOf[action], host)
    return succeeded(done) ? confirmed(`${callOf[action]} ${host}: done`) : failureOf(`${callOf[action]} ${host}`, done)
  }

  async #environment(attempt: Attempt): Promise<{ env: Record<string, string>; problem: FenceAnswer | null }> {
    const base = deviceEnvironment(gluePath)
    const { parameters, positional } = this.config
    if (positional === null) return { env: { ...base, ...Object.fromEntries(parameters) }, problem: null }
    const names = await attempt.run({ program: this.places.stonith, args: ['-t', this.#type, '-n'], env: base, input: '' })
    if (!succeeded(names) || names.kind !== 'exited') return { env: base, problem: failureOf('parameter names', names) }
    return { env: { ...base, ...namedParameters(hostList(names.stdout), positional) }, problem: null }
  }
}
