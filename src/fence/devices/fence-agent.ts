// Programs fence_*: key=value lines on standard input, parameters by their own meta-data.

import { join } from 'node:path'
import type { FenceDeviceConfig } from '../../config/model.js'
import { confirmed, failed, failureOf, lastWords, succeeded } from '../answers.js'
import { deviceEnvironment } from '../environment.js'
import { parseFenceMetadata, type FenceMetadata } from '../metadata.js'
import type {
  Attempt, DeviceKind, DeviceTarget, FenceAction, FenceAnswer, FenceDevice, FencePlaces, ProgramEnd,
} from '../types.js'

export const fenceAgent: DeviceKind = {
  name: 'fence-agent',
  takes: (type) => /^fence_[a-z0-9_]+$/.test(type),
  program: (type, places) => join(places.agentDir, type),
  open: (config, places) => new AgentDevice(config, places),
}

/** Old and new names of the same; an agent may know only one of them. */
const otherName: Readonly<Record<string, string>> = {
  ip: 'ipaddr', ipaddr: 'ip', username: 'login', login: 'username', password: 'passwd', passwd: 'password',
  password_script: 'passwd_script', passwd_script: 'password_script', plug: 'port', port: 'plug',
}

/** Of `status`: the outlet is off. */
const statusOff = 2

class AgentDevice implements FenceDevice {
  readonly #program: string
  #metadata: FenceMetadata | null = null

  constructor(private readonly config: FenceDeviceConfig, places: FencePlaces) {
    this.#program = join(places.agentDir, config.type)
  }

  async order(action: FenceAction, target: DeviceTarget, attempt: Attempt): Promise<FenceAnswer> {
    const metadata = this.#metadata ?? (await this.#read(attempt))
    if ('outcome' in metadata) return metadata
    this.#metadata = metadata
    if (metadata.unfencing) {
      return failed(`${this.config.type} needs unfencing when a node joins, which is not done: it would lock its own node out`)
    }
    const call = async (word: string) => await this.#run(this.#keys(metadata, word, target), attempt)
    switch (action) {
      case 'status': return await this.#test(metadata, call)
      case 'on': return answerOf('on', await call('on'))
      case 'off': return await this.#off(metadata, call)
      case 'reboot': {
        if (metadata.actions.has('reboot')) return answerOf('reboot', await call('reboot'))
        const off = await this.#off(metadata, call)
        // Off is what counts; a machine that stays off is fenced.
        if (off.outcome !== 'confirmed') return off
        const on = await call('on')
        const text = succeeded(on) ? 'then on: done' : `not switched on again: ${failureOf('on', on).text}`
        return confirmed(`${off.text}; ${text}`)
      }
    }
  }

  /** The device can be reached, and knows the outlet: on or off, both are an answer. */
  async #test(metadata: FenceMetadata, call: (word: string) => Promise<ProgramEnd>): Promise<FenceAnswer> {
    if (metadata.actions.has('monitor')) {
      const monitor = await call('monitor')
      if (!succeeded(monitor)) return failureOf('monitor', monitor)
    }
    if (!metadata.actions.has('status')) return confirmed('reaches the device')
    const status = await call('status')
    if (status.kind !== 'exited' || (status.exitCode !== 0 && status.exitCode !== statusOff)) return failureOf('status', status)
    return confirmed(`reaches the device, outlet ${status.exitCode === 0 ? 'on' : 'off'}`)
  }

  /** The agent has asked the device already; asked once more, a device that lies contradicts itself. */
  async #off(metadata: FenceMetadata, call: (word: string) => Promise<ProgramEnd>): Promise<FenceAnswer> {
    const off = await call('off')
    if (!succeeded(off)) return failureOf('off', off)
    if (!metadata.actions.has('status')) return confirmed('off: done')
    const status = await call('status')
    if (status.kind === 'exited' && status.exitCode === statusOff) return confirmed('off: done, and the device says so')
    if (succeeded(status)) return failed('off: said to be done, but the device says that it is on')
    return failureOf('off: said to be done, but status', status)
  }

  async #read(attempt: Attempt): Promise<FenceMetadata | FenceAnswer> {
    const end = await this.#run([['action', 'metadata']], attempt)
    if (!succeeded(end) || end.kind !== 'exited') return failureOf('metadata', end)
    return parseFenceMetadata(end.stdout) ?? failed(`metadata: not understood: ${lastWords(end)}`)
  }

  /** What the agent does not know is left out: it would print it, with its value. */
  #keys(metadata: FenceMetadata, action: string, target: DeviceTarget): (readonly [string, string])[] {
    const keys = new Map<string, string>()
    const put = (name: string, value: string): void => {
      const other = otherName[name]
      if (metadata.parameters.has(name)) keys.set(name, value)
      else if (other !== undefined && metadata.parameters.has(other)) keys.set(other, value)
    }
    for (const [name, value] of this.config.parameters) put(name, value)
    const plugged = this.config.parameters.some(([name]) => name === 'plug' || name === 'port')
    if (target.as !== null || !plugged) put('plug', target.as ?? target.node)
    return [...keys, ['nodename', target.node], ['action', action]]
  }

  async #run(keys: readonly (readonly [string, string])[], attempt: Attempt): Promise<ProgramEnd> {
    const input = keys.map(([name, value]) => `${name}=${value}\n`).join('')
    return await attempt.run({ program: this.#program, args: [], env: deviceEnvironment(), input })
  }
}

const answerOf = (what: string, end: ProgramEnd): FenceAnswer => (succeeded(end) ? confirmed(`${what}: done`) : failureOf(what, end))
