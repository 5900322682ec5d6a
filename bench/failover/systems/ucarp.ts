// ucarp: whole-second adverts on the client's network, scripts that only add or delete the address.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { LabNode } from '../../../lab/node.js'
import { vip, type Stage } from '../stage.js'
import { packageVersion } from './debian.js'
import { ProcessSystem, type System } from './system.js'

const program = '/usr/sbin/ucarp'

class Ucarp extends ProcessSystem {
  private readonly startedAt = new Map<string, number>()

  constructor(stage: Stage) {
    super(stage, ['ucarp'])
  }

  async start(node: LabNode): Promise<void> {
    const script = (name: string, verb: string): string => {
      const path = join(node.dir, name)
      writeFileSync(path, `#!/bin/sh\nexec ip addr ${verb} ${vip}/24 dev eth0\n`, { mode: 0o700 })
      return path
    }
    const words = ['-i', 'eth0', '-s', node.address('eth0'), '-v', '1', '-p', 'bench', '-a', vip, '-b', '1', '-r', '1', '-z',
      '-u', script('up.sh', 'add'), '-d', script('down.sh', 'del')]
    node.spawn([program, ...words], { stdio: 'ignore' }).once('error', () => undefined)
    this.startedAt.set(node.name, performance.now())
  }

  override async isReady(_owner: LabNode, standby: LabNode): Promise<boolean> {
    return this.isRunning(standby) && performance.now() - (this.startedAt.get(standby.name) ?? 0) > 4_000
  }
}

export const ucarpSystem: System = {
  key: 'ucarp', title: 'ucarp', family: 'other', fast: false, tries: 12,
  settings: 'advbase 1 s, dead ratio 1', faults: ['kill', 'cut', 'freeze', 'graceful'], groups: ['address'],
  limitMs: 15_000, phaseMs: 2_000,
  obstacle: () => (existsSync(program) ? null : 'the Debian package ucarp is not installed'),
  version: () => packageVersion('ucarp'),
  open: async (stage) => new Ucarp(stage),
}
