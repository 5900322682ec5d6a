// A power switch for machines of the lab: a plugin inside the nodes puts an order into a folder, this process
// carries it out as a switch does, one after the other, whoever else was switched off meanwhile.
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../../lab/lab.js'
import type { LabNode } from '../../lab/node.js'
import { until } from '../../lab/processes.js'

/** Between an order and its effect. */
const effectMs = 100
const pollMs = 20

const plugin = `#!/bin/sh
case $1 in
getconfignames) echo folder;;
gethosts) echo nodea nodeb;;
status) test -d "$folder";;
off|reset)
  order=$(mktemp -u "$folder/XXXXXX")
  echo "$1 $2" > "$order.new" && mv "$order.new" "$order.order"
  while ! test -e "$order.done"; do sleep 0.05; done;;
*) exit 1;;
esac
`

export class PowerSwitch {
  /** `off nodea` in the order in which it was done. */
  readonly done: string[] = []
  readonly folder: string
  readonly #plugins: string
  readonly #lab: Lab
  #stopped = false
  #loop: Promise<void> = Promise.resolve()

  constructor(lab: Lab) {
    this.#lab = lab
    this.folder = join(lab.dir, 'switch')
    this.#plugins = join(lab.dir, 'plugins')
    for (const folder of [this.folder, this.#plugins]) mkdirSync(folder)
    const file = join(this.#plugins, 'switch')
    writeFileSync(file, plugin)
    chmodSync(file, 0o755)
    this.#loop = this.#serve()
  }

  /** The plugin where a node looks for it; again after each time the node was switched on. */
  async install(node: LabNode): Promise<void> {
    const mounted = await node.exec(['mount', '--bind', this.#plugins, '/usr/lib/stonith/plugins/external'])
    if (mounted.rc !== 0) throw new Error(mounted.err)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#loop
  }

  async #serve(): Promise<void> {
    while (!this.#stopped) {
      const orders = readdirSync(this.folder).filter((name) => name.endsWith('.order')).sort()
      for (const name of orders) await this.#carryOut(name.slice(0, -'.order'.length))
      await new Promise((resolve) => { setTimeout(resolve, pollMs) })
    }
  }

  async #carryOut(name: string): Promise<void> {
    const { readFile } = await import('node:fs/promises')
    const [action = '', host = ''] = (await readFile(join(this.folder, `${name}.order`), 'utf8')).trim().split(' ')
    await new Promise((resolve) => { setTimeout(resolve, effectMs) })
    this.done.push(`${action} ${host}`)
    const node = this.#lab.node(host)
    if (node.isOn) await node.powerOff()
    renameSync(join(this.folder, `${name}.order`), join(this.folder, `${name}.done`))
  }
}

/** A machine that was switched on again is another boot: the kernel of this one says otherwise. */
export async function newBoot(node: LabNode, number: number): Promise<void> {
  const file = join(node.folders.state, 'boot_id')
  writeFileSync(file, `00000000-0000-4000-8000-${String(number).padStart(12, '0')}\n`)
  const mounted = await node.exec(['mount', '--bind', file, '/proc/sys/kernel/random/boot_id'])
  if (mounted.rc !== 0) throw new Error(mounted.err)
}

export async function offWithin(node: LabNode, ms: number): Promise<boolean> {
  return await until(() => !node.isOn, ms, 50)
}

export const switchIsThere = (): boolean => existsSync('/usr/lib/stonith/plugins/external')
