// Programs of ha.cf's `respawn` lines: started when this node is active, started again when they end,
// except after exit status 100, which means "leave me down" (heartbeat(8)).
import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import type { RespawnConfig } from '../config/model.js'
import { spawner, type SpawnEnd, type Spawned } from '../system/spawner.js'

/** Heartbeat's own limit: more than ten deaths in a row, each within 30 s of its start. */
const fastDeathsMax = 10
const fastDeathMs = 30_000
const stayDownExit = 100
/** Only tests wait for less. */
const respawnTimes = { restartDelayMs: 1000, stopGraceMs: 5000 } as const
export type RespawnTimes = Readonly<Record<keyof typeof respawnTimes, number>>

interface Account {
  readonly uid: number
  readonly gid: number
  readonly home: string
}

/** A line of passwd(5) by user name. */
export function accountOf(user: string, passwd: string): Account | null {
  for (const line of passwd.split('\n')) {
    const [name, , uid, gid, , home] = line.split(':')
    if (name === user && uid !== undefined && gid !== undefined) {
      return { uid: Number(uid), gid: Number(gid), home: home ?? '/' }
    }
  }
  return null
}

type State = 'waiting' | 'running' | 'down' | 'given-up'

class RespawnedProgram {
  #child: Spawned | null = null
  #startedAtMs = 0
  #fastDeaths = 0
  #timer: NodeJS.Timeout | null = null
  #stopping = false
  state: State = 'waiting'

  constructor(
    readonly config: RespawnConfig,
    private readonly env: Readonly<Record<string, string>>,
    private readonly log: Logger,
    private readonly times: RespawnTimes,
    private readonly onFailfast: (text: string) => void,
  ) {}

  start(): void {
    this.#timer = null
    if (this.#stopping || this.#child !== null) return
    const account = accountOf(this.config.user, safeRead('/etc/passwd'))
    if (account === null) {
      this.#giveUp(`there is no user '${this.config.user}'`)
      return
    }
    const child = spawner().run({
      program: this.config.path,
      args: this.config.args,
      uid: account.uid,
      gid: account.gid,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: account.home, ...this.env },
      capture: false,
      dieWithDaemon: true,
    })
    this.#child = child
    this.#startedAtMs = performance.now()
    this.state = 'running'
    void child.end.then((end) => {
      this.#ended(end)
    })
    void child.pid.then((pid) => {
      if (pid === null) return
      this.log.info(
        { event: 'respawn.started' },
        `${this.config.path} runs as ${this.config.user}, pid ${String(pid)}`,
      )
    })
  }

  #ended(end: SpawnEnd): void {
    this.#child = null
    if (this.#stopping) return
    if (end.kind === 'unstartable' && end.stage !== 'request' && end.stage !== 'fork') {
      this.#giveUp(`it cannot be started: ${end.code}`)
      return
    }
    const how = howItEnded(end)
    if (end.kind === 'exited' && end.exitCode === stayDownExit) {
      this.state = 'down'
      this.log.info({ event: 'respawn.down' }, `${this.config.path} ended with ${how} and stays down`)
      return
    }
    // A start or an end that our own helper lost says nothing about the program: that is no reason to reset a machine.
    if (this.config.failfast && end.kind === 'exited' && end.exitCode !== 0) {
      this.state = 'down'
      const text = `${this.config.path} ended with ${how}: 'failfast' resets this machine`
      this.log.fatal({ event: 'respawn.failfast' }, text)
      this.onFailfast(text)
      return
    }
    this.#fastDeaths = performance.now() - this.#startedAtMs < fastDeathMs ? this.#fastDeaths + 1 : 0
    if (this.#fastDeaths > fastDeathsMax) {
      this.#giveUp(
        `it died ${String(this.#fastDeaths)} times in a row within 30 s of its start, last with ${how}`,
      )
      return
    }
    this.state = 'waiting'
    this.log.warn({ event: 'respawn.died' }, `${this.config.path} ended with ${how}: started again`)
    this.#timer = setTimeout(() => {
      this.start()
    }, this.times.restartDelayMs)
  }

  #giveUp(why: string): void {
    this.state = 'given-up'
    this.log.error({ event: 'respawn.given-up' }, `${this.config.path} is not started again: ${why}`)
  }

  /** TERM to the whole group, KILL after the grace; settles when the child is gone. */
  async stop(): Promise<void> {
    this.#stopping = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    const child = this.#child
    const pid = (await child?.pid) ?? null
    if (child === null || pid === null) return
    killGroup(pid, 'SIGTERM')
    const kill = setTimeout(() => {
      killGroup(pid, 'SIGKILL')
    }, this.times.stopGraceMs)
    await child.end
    clearTimeout(kill)
  }
}

function howItEnded(end: SpawnEnd): string {
  switch (end.kind) {
    case 'exited':
      return end.signal === null ? `exit status ${String(end.exitCode)}` : `signal ${end.signal}`
    case 'unstartable':
      return end.code
    case 'lost':
      return 'the loss of the helper that ran it'
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // The group is gone already.
  }
}

function safeRead(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

export class Respawner {
  #programs: RespawnedProgram[] = []

  constructor(
    private readonly log: Logger,
    private readonly times: RespawnTimes = respawnTimes,
    private readonly onFailfast: (text: string) => void = () => { /* no machine to reset */ },
  ) {}

  start(configs: readonly RespawnConfig[], env: Readonly<Record<string, string>>): void {
    if (this.#programs.length > 0) return
    this.#programs = configs.map((config) => new RespawnedProgram(config, env, this.log, this.times, this.onFailfast))
    for (const program of this.#programs) program.start()
  }

  /** After a reload: what is configured no more is ended, what is new is started, the rest runs on. */
  async change(configs: readonly RespawnConfig[], env: Readonly<Record<string, string>>): Promise<void> {
    const textOf = ({ user, path, args, failfast }: RespawnConfig): string =>
      JSON.stringify([failfast, user, path, ...args])
    const wanted = new Map(configs.map((config) => [textOf(config), config]))
    const kept = this.#programs.filter((program) => wanted.delete(textOf(program.config)))
    const ended = this.#programs.filter((program) => !kept.includes(program))
    const added = [...wanted.values()].map((config) => new RespawnedProgram(config, env, this.log, this.times, this.onFailfast))
    this.#programs = [...kept, ...added]
    for (const program of added) program.start()
    await Promise.all(ended.map((program) => program.stop()))
  }

  async stop(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()))
    this.#programs = []
  }

  describe(): readonly { path: string; state: State }[] {
    return this.#programs.map((program) => ({ path: program.config.path, state: program.state }))
  }
}
