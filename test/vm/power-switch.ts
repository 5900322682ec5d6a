// A power switch on a network of its own, as a person would buy one: it takes an order a line over TCP, switches the
// machine, and answers when it is done. A plugin in the machines, of the kind that cluster-glue has, talks to it.
import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { writeFileSync, chmodSync } from 'node:fs'

import { epochMs } from '../../lab/owners.js'
import type { Machine } from './machine.js'

/** This host as the emulated machines see it. */
const SWITCH_ADDRESS = '10.0.2.2'
export const PLUGIN = 'vm-power'
/** Where nodes look for plugins; the copy lives until the machine is reset. */
const PLUGINS = '/usr/lib/stonith/plugins/external'
export const installPlugin = `mkdir -p ${PLUGINS} && cp /mnt/vm/${PLUGIN} ${PLUGINS}/`
/** A machine stays off for a moment. */
const OFF_MS = 300

const plugin = `#!/bin/bash
order() {
  exec 3<>"/dev/tcp/${SWITCH_ADDRESS}/$port" || exit 1
  echo "$*" >&3
  read -r answer <&3
  [ "$answer" = done ]
}
case $1 in
getconfignames) echo port ;;
gethosts) echo nodea nodeb ;;
status) order status ;;
on|off|reset) order "$1" "$2" ;;
*) exit 1 ;;
esac
`

export interface PowerOrder {
  readonly action: string
  readonly machine: string
  /** When the switch said that it was done. */
  readonly doneMs: number
}

export class PowerSwitch {
  readonly orders: PowerOrder[] = []
  readonly #machines: readonly Machine[]
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  port = 0

  constructor(machines: readonly Machine[]) {
    this.#machines = machines
    this.#server = createServer((socket) => { this.#serve(socket) })
    for (const machine of machines) {
      writeFileSync(machine.file(PLUGIN), plugin)
      chmodSync(machine.file(PLUGIN), 0o755)
    }
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => { this.#server.listen(0, '127.0.0.1', resolve) })
    const address = this.#server.address()
    this.port = typeof address === 'object' && address !== null ? address.port : 0
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => { /* 'close' follows */ })
    socket.on('close', () => { this.#sockets.delete(socket) })
    createInterface({ input: socket }).on('line', (line) => {
      const [action = '', name = ''] = line.split(' ')
      this.#switch(action, name).then(
        () => { socket.end('done\n') },
        (error: unknown) => { socket.end(`failed: ${String(error)}\n`) },
      )
    })
  }

  async #switch(action: string, name: string): Promise<void> {
    if (action === 'status') return
    const machine = this.#machines.find((one) => one.name === name)
    if (machine === undefined) throw new Error(`there is no ${name}`)
    if (action === 'off' || action === 'reset') await machine.powerOff()
    if (action === 'reset') await new Promise((resolve) => { setTimeout(resolve, OFF_MS) })
    if ((action === 'on' || action === 'reset') && !machine.isOn) machine.powerOn()
    this.orders.push({ action, machine: name, doneMs: epochMs() })
  }
}
