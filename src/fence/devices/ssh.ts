// Asks the node itself to go down. For tests only: a node that hangs, or is only cut off, cannot be asked, and that
// nobody answers any more proves nothing about what still runs there.

import type { FenceDeviceConfig } from '../../config/model.js'
import { confirmed, failed, failureOf, succeeded } from '../answers.js'
import { deviceEnvironment } from '../environment.js'
import type { Attempt, DeviceKind, DeviceTarget, FenceAction, FenceAnswer, FenceDevice, FencePlaces, ProgramEnd } from '../types.js'

export const ssh: DeviceKind = {
  name: 'ssh',
  takes: (type) => type === 'ssh',
  program: (_, places) => places.ssh,
  open: (config, places) => new SshDevice(config, places),
}

/** The connection must be able to end before the machine does. */
const commands = {
  off: "nohup sh -c 'sleep 1; echo o > /proc/sysrq-trigger; poweroff -nf' >/dev/null 2>&1 &",
  reboot: "nohup sh -c 'sleep 1; echo b > /proc/sysrq-trigger; reboot -nf' >/dev/null 2>&1 &",
} as const
const askAgainMs = 1000
/** What ssh exits with when it could not connect. */
const unreachable = 255

class SshDevice implements FenceDevice {
  constructor(private readonly config: FenceDeviceConfig, private readonly places: FencePlaces) {}

  async order(action: FenceAction, target: DeviceTarget, attempt: Attempt): Promise<FenceAnswer> {
    const { positional } = this.config
    if (positional !== null && !positional.includes(target.node)) {
      return failed(`'${target.node}' is none of its hosts: ${positional.join(' ')}`)
    }
    if (action === 'on') return failed('a machine that is off has nobody to ask')
    if (action === 'status') {
      const end = await this.#say('true', target, attempt)
      return succeeded(end) ? confirmed(`${target.node} lets us in`) : failureOf('ssh', end)
    }
    const asked = await this.#say(commands[action], target, attempt)
    if (!succeeded(asked)) return failureOf('ssh', asked)
    while (!attempt.overdue) {
      await attempt.pause(askAgainMs)
      const end = await this.#say('true', target, attempt)
      if (end.kind === 'exited' && end.exitCode === unreachable) {
        return confirmed(`${target.node} was asked to ${action} and answers no more`)
      }
    }
    return { outcome: 'timeout', text: `${target.node} was asked to ${action} and still answers` }
  }

  async #say(command: string, target: DeviceTarget, attempt: Attempt): Promise<ProgramEnd> {
    const of = (name: string): string | null => this.config.parameters.find(([key]) => key === name)?.[1] ?? null
    const options = ['BatchMode=yes', 'ConnectTimeout=5', 'ControlMaster=no', 'ControlPath=none', 'StrictHostKeyChecking=yes']
    const args = options.flatMap((option) => ['-o', option])
    const [port, identity] = [of('port'), of('identity')]
    if (port !== null) args.push('-p', port)
    if (identity !== null) args.push('-i', identity)
    args.push('-l', of('user') ?? 'root', '--', target.as ?? target.node, command)
    return await attempt.run({ program: this.places.ssh, args, env: { ...deviceEnvironment(), HOME: '/root' }, input: '' })
  }
}
