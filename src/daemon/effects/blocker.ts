// `address GROUP blocked`: the address of a group is up and announced while its services still start, and new
// connections to it are dropped until the group is complete, so that a client waits for its next attempt instead of
// being refused. One nftables table of our own, written as a whole each time.
//
// A group is closed whenever it is not held completely: every order that adds its address waits for the rule, and the
// engine has no plan of its own for it. What runs on under a repair stays open, and so does what an earlier life left.
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import type { Logger } from 'pino'
import type { NoteEffect } from '../../core/effects.js'
import type { GroupConfig } from '../../config/model.js'

export const nftTable = 'twinbeat'

/** Runs nft with this script on its standard input; null: done, else what went wrong. */
export type RunNft = (script: string) => Promise<string | null>

type Note = Pick<NoteEffect, 'event' | 'details'>

export class AddressBlocker {
  readonly #run: RunNft
  readonly #log: Pick<Logger, 'error' | 'info'>
  #addresses = new Map<string, readonly string[]>()
  readonly #open = new Set<string>()
  /** What the kernel was told last; null: nothing, or unknown. */
  #inForce: string | null = null
  #busy: Promise<string | null> = Promise.resolve(null)
  readonly #marker: string
  #used: boolean
  #problem: string | null = null

  /** `marker`: a file that stands as long as the table may; whoever never had such a group needs no nft. */
  constructor(options: { readonly run: RunNft; readonly log: Pick<Logger, 'error' | 'info'>; readonly marker: string }) {
    this.#run = options.run
    this.#marker = options.marker
    this.#used = existsSync(options.marker)
    this.#log = options.log
  }

  /** Why groups cannot be closed, for status; null while all is well. */
  get problem(): string | null {
    return this.#problem
  }

  /** At the start: what an earlier life left is replaced; groups are open until they are known not to run here. */
  async begin(groups: readonly GroupConfig[]): Promise<void> {
    for (const group of groups) this.#open.add(group.key)
    await this.configure(groups)
  }

  async configure(groups: readonly GroupConfig[]): Promise<void> {
    const blocked = groups.filter((group) => group.addressOrder === 'blocked')
    this.#addresses = new Map(blocked.map((group) => [
      group.key as string, group.members.flatMap((member) => (member.address === null ? [] : [member.address.address])),
    ]))
    await this.#apply()
  }

  /** Follows the states of the groups, in the order in which the core tells of them. */
  onNote({ event, details }: Note): void {
    const group = String(details['group'])
    if (!event.startsWith('group.')) return
    const before = this.#open.has(group)
    // A repair is a take from `held`: it interrupts nobody.
    if (event === 'group.held' || event === 'group.found') this.#open.add(group)
    else if (event === 'group.stopped' || event === 'group.giving') this.#open.delete(group)
    else if (event === 'group.taking' && details['from'] === 'stopped') this.#open.delete(group)
    if (before !== this.#open.has(group) && this.#addresses.has(group)) void this.#apply()
  }

  /** Before an address of the group is added. Null: closed, or it need not be; else why it cannot be. */
  async close(group: string): Promise<string | null> {
    if (!this.#addresses.has(group) || this.#open.has(group)) return null
    return await this.#apply()
  }

  /** At the end nothing of ours stays behind: another manager may bring the addresses up next. */
  async end(): Promise<void> {
    this.#addresses = new Map()
    await this.#apply()
  }

  async #apply(): Promise<string | null> {
    this.#busy = this.#busy.then(async () => {
      const closed = [...this.#addresses].filter(([group]) => !this.#open.has(group)).flatMap(([, addresses]) => addresses)
      const remove = this.#addresses.size === 0
      if (remove && !this.#used) return null
      if (!this.#used) writeFileSync(this.#marker, '')
      this.#used = true
      const script = rulesOf(closed, { remove })
      if (script === this.#inForce) return null
      const problem = await this.#run(script)
      this.#inForce = problem === null ? script : null
      if (remove && problem === null) rmSync(this.#marker, { force: true })
      this.#say(problem)
      return problem
    })
    return await this.#busy
  }

  #say(problem: string | null): void {
    const before = this.#problem
    this.#problem = problem === null ? null : `addresses cannot be closed to new connections (nft): ${problem}`
    if (this.#problem === before) return
    if (this.#problem !== null) this.#log.error({ event: 'blocked.failed' }, this.#problem)
    else this.#log.info({ event: 'blocked.working' }, 'addresses can be closed to new connections again')
  }
}

/** One transaction. What the machine says to itself passes: the services are checked before they are open. */
export function rulesOf(addresses: readonly string[], { remove }: { readonly remove: boolean }): string {
  const begin = [`table inet ${nftTable} {}`, `delete table inet ${nftTable}`]
  if (remove) return `${begin.join('\n')}\n`
  const rule = (family: 'ip' | 'ip6', list: readonly string[]): string[] =>
    list.length === 0 ? [] : [`    ${family} daddr { ${list.join(', ')} } ct state new drop`]
  return [
    ...begin,
    `table inet ${nftTable} {`,
    '  chain input {',
    '    type filter hook input priority -10; policy accept;',
    '    iifname "lo" accept',
    // Neighbours must go on finding the address.
    '    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept',
    ...rule('ip', addresses.filter((address) => !address.includes(':'))),
    ...rule('ip6', addresses.filter((address) => address.includes(':'))),
    '  }',
    '}',
    '',
  ].join('\n')
}
