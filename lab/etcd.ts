// An etcd of one or three members in the lab, each on a machine of its own beside the nodes, on the network of
// the addresses. Members can be killed, stopped, started again, and run out of disk.

import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Lab } from './lab.js'
import { Namespace } from './namespace.js'
import { exited, pause, processesIn, signalProcess, until } from './processes.js'

const ETCD = '/usr/bin/etcd'
const ETCDCTL = '/usr/bin/etcdctl'
const CLIENT_PORT = 2379
const PEER_PORT = 2380
/** Its log is allocated in pieces of 64 MB, always one ahead. */
const DISK_MB = 200
/** Three members on a busy machine elect for a while. */
/** The log is allocated ahead, the database is not. A word of a command line has less than 128 KB. */
const FILLERS_MAX = 200
const VALUE_CHARS = 100_000
const START_MS = 60_000

/** Only interfaces and a small disk of its own, which survives the death of the member. */
const MEMBER_INIT = `
hostname "$1"
mount -t tmpfs -o size=${DISK_MB}m tmpfs /run || exit 1
ip link set lo up
echo ready
while read -r _; do :; done
`

interface Member {
  readonly name: string
  readonly space: Namespace
  readonly address: string
  child: ChildProcess | null
}

export function etcdObstacle(): string | null {
  for (const program of [ETCD, ETCDCTL]) if (!existsSync(program)) return `'${program}' is not installed`
  return null
}

export class EtcdCluster {
  readonly #lab: Lab
  readonly #members: readonly Member[]

  private constructor(lab: Lab, members: readonly Member[]) {
    this.#lab = lab
    this.#members = members
  }

  static async start(lab: Lab, count: 1 | 3): Promise<EtcdCluster> {
    const members = await Promise.all(Array.from({ length: count }, (_, index) => openMember(lab, index)))
    const cluster = new EtcdCluster(lab, members)
    await Promise.all(members.map((_, index) => cluster.launch(index)))
    await cluster.ready()
    return cluster
  }

  get endpoints(): string[] {
    return this.#members.map(({ address }) => `http://${address}:${CLIENT_PORT}`)
  }

  get size(): number {
    return this.#members.length
  }

  /** A line of twinbeat.cf. */
  get arbiterLine(): string {
    return `arbiter etcd endpoints=${this.endpoints.join(',')} prefix=/lab/`
  }

  async launch(index: number): Promise<void> {
    const { name, space, address } = this.#member(index)
    const client = `http://${address}:${CLIENT_PORT}`
    const peer = `http://${address}:${PEER_PORT}`
    const all = this.#members.map((one) => `${one.name}=http://${one.address}:${PEER_PORT}`).join(',')
    const words = [ETCD, '--name', name, '--data-dir', '/run/data', '--listen-client-urls', client, '--advertise-client-urls', client,
      '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', all]
    const script = `mkdir -p /run; exec ${words.join(' ')} >>${this.#logPath(index)} 2>&1`
    this.#member(index).child = space.spawn(['sh', '-c', script], { stdio: 'ignore' })
  }

  /** After a launch. */
  async ready(): Promise<void> {
    if (await until(() => this.healthy(), START_MS, 200)) return
    const states = this.#members.map(({ name }, index) => `${name} ${this.isRunning(index) ? 'runs' : 'has ended'}: ${this.log(index)}`)
    throw new Error(`etcd does not answer: ${states.join('\n')}`)
  }

  async kill(index: number): Promise<void> {
    const member = this.#member(index)
    this.#signal(member, 'SIGKILL')
    if (member.child !== null) await exited(member.child)
    member.child = null
  }

  pause(index: number): void {
    this.#signal(this.#member(index), 'SIGSTOP')
  }

  resume(index: number): void {
    const member = this.#member(index)
    this.#signal(member, 'SIGCONT')
    member.space.resumeWaiters()
  }

  /** Nothing more can be written, and something is. True: the member has ended, or refuses. */
  async fillDisk(index: number): Promise<boolean> {
    const { space } = this.#member(index)
    await space.exec(['sh', '-c', 'dd if=/dev/zero of=/run/filler bs=64k 2>/dev/null; true'])
    const value = 'x'.repeat(VALUE_CHARS)
    for (let round = 0; round < FILLERS_MAX; round += 1) {
      const put = await this.ctl(['put', `/filler/${round}`, value], index, 3_000)
      if (!put.ok) return true
    }
    return false
  }

  async freeDisk(index: number): Promise<void> {
    await this.#member(index).space.exec(['rm', '-f', '/run/filler'])
  }

  isRunning(index: number): boolean {
    const { child } = this.#member(index)
    return child !== null && child.exitCode === null && child.signalCode === null
  }

  async leader(): Promise<number> {
    for (const [index] of this.#members.entries()) {
      const { ok, out } = await this.ctl(['endpoint', 'status', '-w', 'json'], index)
      if (!ok) continue
      const [status] = JSON.parse(out) as { Status: { header: { member_id: number }; leader: number } }[]
      if (status !== undefined && status.Status.leader === status.Status.header.member_id) return index
    }
    throw new Error('etcd has no leader')
  }

  /** An election by order: every lease begins its whole life again. */
  async moveLeader(): Promise<void> {
    const from = await this.leader()
    const { out } = await this.ctl(['member', 'list', '-w', 'simple'], from)
    const to = (from + 1) % this.size
    const id = out.split('\n').find((line) => line.includes(`, ${this.#member(to).name}, `))?.split(',')[0]
    const moved = await this.ctl(['move-leader', id ?? ''], from)
    if (!moved.ok) throw new Error(`the leader did not move: ${moved.out}`)
  }

  async healthy(): Promise<boolean> {
    const answers = await Promise.all(this.#members.map((_, index) => this.ctl(['endpoint', 'health'], index, 2_000)))
    return answers.every(({ ok }) => ok)
  }

  /** Names of the keys, by any member that answers; null: none does. */
  async keys(): Promise<string[] | null> {
    for (const [index] of this.#members.entries()) {
      const { ok, out } = await this.ctl(['get', '--prefix', '/lab/', '--keys-only'], index, 2_000)
      if (ok) return out.split('\n').filter((line) => line !== '')
    }
    return null
  }

  async ctl(words: readonly string[], index: number, timeoutMs = 5_000): Promise<{ ok: boolean; out: string }> {
    const { space, address } = this.#member(index)
    const seconds = `${Math.ceil(timeoutMs / 1000)}s`
    const result = await space.exec([
      'env', 'ETCDCTL_API=3', ETCDCTL, `--endpoints=http://${address}:${CLIENT_PORT}`,
      `--command-timeout=${seconds}`, `--dial-timeout=${seconds}`, ...words,
    ], { timeoutMs: timeoutMs + 2_000 })
    return { ok: result.rc === 0, out: `${result.out}${result.err}` }
  }

  /** What a leader does to renewed leases that stood still and goes on; their keys go with them. Returns how many there were. */
  async revokeLeases(): Promise<number> {
    const { ok, out } = await this.ctl(['lease', 'list'], 0)
    if (!ok) throw new Error(`etcd lists no leases: ${out}`)
    const ids = out.split('\n').filter((line) => /^[0-9a-f]{8,16}$/.test(line))
    const revoked = await Promise.all(ids.map((id) => this.ctl(['lease', 'revoke', id], 0)))
    return revoked.filter((answer) => answer.ok).length
  }

  log(index: number): string {
    const path = this.#logPath(index)
    return existsSync(path) ? readFileSync(path, 'utf8').slice(-2000) : ''
  }

  /** The lab takes the machines down with itself; paused members must run to be ended. */
  async close(): Promise<void> {
    for (const member of this.#members) {
      this.#signal(member, 'SIGCONT')
      await member.space.kill()
    }
    await pause(0)
  }

  #member(index: number): Member {
    const member = this.#members[index]
    if (member === undefined) throw new Error(`etcd has no member ${index}`)
    return member
  }

  #logPath(index: number): string {
    return join(this.#lab.dir, 'etcd', `${this.#member(index).name}.log`)
  }

  #signal(member: Member, signal: NodeJS.Signals): void {
    for (const pid of processesIn(member.space.pidNamespace, 'pid')) {
      if (pid !== member.space.pid) signalProcess(pid, signal)
    }
  }
}

async function openMember(lab: Lab, index: number): Promise<Member> {
  const name = `etcd${index}`
  mkdirSync(join(lab.dir, 'etcd'), { recursive: true })
  const space = await Namespace.open({ flags: ['--net', '--uts', '--ipc'], script: MEMBER_INIT, args: [name], inside: lab.switch })
  const address = `10.77.0.${201 + index}`
  await lab.switch.ip([
    `link add ${name} type veth peer name eth0 netns ${space.pid}`,
    `link set ${name} master br0 up`,
  ])
  await space.ip([`addr add ${address}/24 dev eth0`, 'link set eth0 up'])
  return { name, space, address, child: null }
}
