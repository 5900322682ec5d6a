// The composition root: builds the adapters around one core and one engine, and takes them down in order.
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Respawner } from './respawn.js'
import { loadConfig } from '../config/load.js'
import { formatDiagnostics } from '../config/diagnostics.js'
import { diffConfig, type Change } from '../config/diff.js'
import type { ClusterConfig, Diagnostic } from '../config/model.js'
import { createCore } from '../core/core.js'
import { createPrng } from '../core/base/prng.js'
import type { HaltEffect, NoteEffect } from '../core/effects.js'
import type { Core } from '../core/core.js'
import { ControlServer } from '../control/server.js'
import { controlSocketName } from '../control/protocol.js'
import type { StatusReport } from '../control/report.js'
import type { Engine, EngineRecord, EngineTiming } from '../engine/engine.js'
import { createEngine } from '../engine/native.js'
import { TwinbeatError, messageOf } from '../errors.js'
import { Lrm } from '../lrm/lrm.js'
import { openLog, type LogHandle, type LogTargets } from '../observe/log.js'
import { loadInputFromMachine } from '../store/ha-files.js'
import { openIdentity, storeGeneration, type Identity } from '../store/identity.js'
import { StateStore } from '../store/state-store.js'
import { refuseConfiguredAddresses, refuseRivals } from '../system/preflight.js'
import { systemCalls } from '../system/system.js'
import { coreConfigOf } from './core-config.js'
import { AddressRunner } from './effects/addresses.js'
import { Members } from './effects/members.js'
import { engineConfigOf } from './engine-config.js'
import { Lines } from './lines.js'
import { refuseUnfitSuccessor, silentMs, silentSinceVariable } from './keep.js'
import { addressLocator } from './locate.js'
import { notifySupervisor } from './notify.js'
import type { DaemonOptions } from './options.js'
import { PeerFiles } from './peer-files.js'
import { permissionOf } from './permissions.js'
import { resolvePingHosts, type PingHosts } from './ping-hosts.js'
import { Requests } from './requests.js'
import { Shell } from './shell.js'
import { buildStatus } from './status.js'
import { bridgeTiming, bridgeUs } from './timing-change.js'
import { buildMethods } from './verbs.js'

const bootIdFile = '/proc/sys/kernel/random/boot_id'
/** The last statuses and the farewell leave within a few milliseconds; the log gets a little longer. */
const logFlushMs = 1000

export type ExitKind = 'stop' | 'reset' | 'restart' | 'broken'

export class Daemon {
  readonly #options: DaemonOptions
  readonly #version: string
  readonly #startedAt = new Date()
  readonly #exit: (kind: ExitKind) => void
  #config: ClusterConfig
  #revision = 1
  #stopping = false
  #reloading: Promise<unknown> = Promise.resolve()
  /** What the engine beats by: for a moment after a reload not yet the configured timing. */
  #timing: EngineTiming
  #bridge: NodeJS.Timeout | null = null
  readonly #log: LogHandle
  readonly #identity: Identity
  #generation: number
  readonly #store: StateStore
  readonly #engine: Engine
  readonly #core: Core
  readonly #shell: Shell
  readonly #members: Members
  readonly #peerFiles: PeerFiles
  readonly #addresses: AddressRunner
  readonly #lrm: Lrm
  readonly #lines: Lines
  #pings: PingHosts
  readonly #requests: Requests
  readonly #respawner: Respawner
  readonly #control: ControlServer

  private constructor(
    options: DaemonOptions,
    version: string,
    config: ClusterConfig,
    pings: PingHosts,
    exit: (kind: ExitKind) => void,
  ) {
    this.#options = options
    this.#version = version
    this.#config = config
    this.#timing = config.timing
    this.#pings = pings
    this.#exit = exit
    this.#log = openLog(config.self, process.pid, this.#logTargets(config))
    this.#store = new StateStore(options.stateDir)
    this.#identity = openIdentity({
      stateDir: options.stateDir,
      heartbeatDir: options.heartbeatDir,
      nodeName: config.self,
      uuidFrom: config.identity.uuidFrom,
      wallSeconds: Math.floor(Date.now() / 1000),
    })
    this.#generation = this.#identity.generation
    this.#engine = createEngine({
      wake: () => {
        this.#shell.wake()
      },
    })
    this.#peerFiles = new PeerFiles(this.#engine, config.files)
    this.#lines = new Lines(this.#log.logger)
    this.#addresses = new AddressRunner(this.#engine)
    this.#lrm = new Lrm({ nodeName: config.self, haDir: options.haDir, runDir: options.runDir })
    this.#members = new Members({
      addresses: this.#addresses,
      lrm: this.#lrm,
      locate: addressLocator(),
      scene: () => ({
        fields: [],
        directives: this.#config.directives,
        ownStatus: this.#core.snapshot().status,
        niceFailback: this.#config.autoFailback !== 'legacy',
        dontAsk: false,
        logfile: this.#config.log.logfile,
        debugfile: this.#config.log.debugfile,
        logfacility: this.#config.log.facility,
      }),
    })
    this.#core = createCore(coreConfigOf(config), createPrng(this.#generation))
    this.#respawner = new Respawner(this.#log.logger)
    this.#shell = new Shell({
      engine: this.#engine,
      core: this.#core,
      members: this.#members,
      addresses: this.#addresses,
      store: this.#store,
      raiseGeneration: () => this.#raiseGeneration(),
      onNote: (note) => {
        this.#note(note)
      },
      onReply: (reply) => {
        this.#requests.onReply(reply)
      },
      onHalt: (halt) => {
        void this.#halt(halt)
      },
      onStatus: (status) => {
        if (status === 'active') this.#active()
      },
      onRecord: (record) => {
        this.#record(record)
      },
      onBroken: (error) => {
        void this.#broken(error)
      },
    })
    this.#requests = new Requests(() => this.#shell, this.#generation)
    this.#control = new ControlServer({
      path: path.join(options.runDir, controlSocketName),
      methods: buildMethods({
        status: () => this.status(),
        requests: this.#requests,
        explain: (group) => this.#explain(group),
        reload: async () => await this.reload(),
        requestStop: async (progress) => await this.#askStop('stop', progress),
        requestKeep: async (progress) => await this.#askStop('restart-keep', progress),
      }),
      credentialsOf: (fd) => systemCalls().peerCredentials(fd),
      permissionOf: (uid, gid) => permissionOf(uid, gid, this.#config),
      onError: (text) => {
        this.#log.logger.error({ event: 'control.failed' }, text)
      },
    })
  }

  /** Everything up to the first heartbeat. Throws a TwinbeatError with the whole story if that cannot be. */
  static async start(
    options: DaemonOptions,
    version: string,
    exit: (kind: ExitKind) => void,
  ): Promise<Daemon> {
    prepareFolders(options)
    const { config, diagnostics } = loadConfig(loadInputFromMachine({ ...options, checkHost: true }))
    if (config === null) throw configError(diagnostics)
    refuseRivals()
    refuseConfiguredAddresses(addressesOf(config))
    const pings = await resolvePingHosts(config)
    const daemon = new Daemon(options, version, config, pings, exit)
    try {
      await daemon.#begin(diagnostics)
    } catch (error) {
      daemon.#shell.stop()
      throw error
    }
    return daemon
  }

  async #begin(diagnostics: readonly Diagnostic[]): Promise<void> {
    const { logger } = this.#log
    logger.info(
      { event: 'daemon.started' },
      `twinbeatd ${this.#version} on ${this.#config.self}, ` +
        `generation ${this.#generation.toString(16)}, configuration from ${this.#options.haDir}`,
    )
    for (const finding of diagnostics) {
      if (finding.severity !== 'info')
        logger.warn(
          { event: 'config.warning', code: finding.code },
          `${finding.file}:${String(finding.line)}: ${finding.message}`,
        )
    }
    for (const warning of this.#identity.warnings) logger.warn({ event: 'state.unwritable' }, warning)
    this.#members.configure(this.#config.groups, this.#config.twinbeat, this.#options.haDir)
    await this.#lines.open(this.#config)
    this.#engine.configure(this.#engineConfig(this.#config))
    this.#engine.setGeneration(this.#generation)
    this.#engine.start()
    const silence = silentMs(process.env, this.#engine.now())
    if (silence !== null) {
      const text = `this daemon succeeds another: no heartbeat for ${silence.toFixed(0)} ms`
      logger.info({ event: 'daemon.succeeded', silentMs: Math.round(silence) }, text)
    }
    await this.#control.listen()
    this.#shell.feed({ type: 'boot', generation: this.#generation, persisted: this.#loadFacts() })
    notifySupervisor(`READY=1\nSTATUS=started\nMAINPID=${String(process.pid)}`)
  }

  status(): StatusReport {
    return buildStatus({
      version: this.#version,
      startedAt: this.#startedAt,
      haDir: this.#options.haDir,
      uuid: this.#identity.uuid,
      config: this.#config,
      core: this.#core.snapshot(),
      engine: this.#engine.snapshot(),
      members: this.#members,
      logLinesDropped: this.#log.dropped(),
      stopping: this.#stopping,
      peerFiles: this.#peerFiles.verdict(),
      warnings: [],
    })
  }

  /** TERM and INT: the same as `twinbeat stop`. A second one changes nothing. */
  requestStop(): void {
    this.#askStop('stop', () => {
      /* nobody listens */
    }).catch((error: unknown) => {
      this.#log.logger.error({ event: 'stop.refused' }, messageOf(error))
    })
  }

  setDebug(on: boolean): void {
    this.#log.setDebug(on)
  }

  /** One after the other; refused as a whole, with everything kept, or done as a whole. */
  async reload(): Promise<string> {
    const turn = this.#reloading.then(async () => await this.#reload())
    this.#reloading = turn.catch((error: unknown) => {
      this.#log.logger.error({ event: 'reload.refused' }, messageOf(error))
    })
    return await turn
  }

  async #reload(): Promise<string> {
    this.#log.reopen()
    if (this.#stopping) throw new TwinbeatError('TB_BUSY', 'this daemon is ending')
    const config = this.#readFiles()
    const diff = diffConfig(this.#config, config)
    if (diff.kind === null) return 'nothing has changed'
    if (diff.kind === 'restart') {
      const changes = diff.changes.filter((change) => change.kind === 'restart').map(changeText)
      throw new TwinbeatError('TB_CONFIG', `needs a restart: ${changes.join('; ')}`, {
        hint: "'twinbeat restart --keep' lets the resources run on",
      })
    }
    const changes = diff.changes.map(changeText).join('; ')
    this.#pings = await resolvePingHosts(config)
    await this.#lines.open(config)
    this.#config = config
    this.#peerFiles.update(config.files)
    this.#revision += 1
    const running = this.#core.snapshot()
    this.#members.configure(config.groups, config.twinbeat, this.#options.haDir, (group, digest) =>
      running.groups.some((one) => one.id === group && one.digest === digest),
    )
    this.#configureEngine()
    this.#log.retarget(this.#logTargets(config))
    this.#shell.feed({ type: 'config.changed', config: coreConfigOf(config) })
    if (running.status === 'active') await this.#respawner.change(config.respawn, this.#respawnEnvironment())
    this.#log.logger.info({ event: 'config.reloaded' }, changes)
    return `reloaded: ${changes}`
  }

  /** The files as they are now; throws with every problem if a daemon could not start from them. */
  #readFiles(): ClusterConfig {
    const { config, diagnostics } = loadConfig(loadInputFromMachine({ ...this.#options, checkHost: true }))
    if (config === null) throw configError(diagnostics)
    return config
  }

  /** Another pace or dead time goes over a bridge, so that no moment of it looks like death to the peer. */
  #configureEngine(): void {
    if (this.#bridge !== null) clearTimeout(this.#bridge)
    this.#bridge = null
    const before = this.#timing
    const bridge = bridgeTiming(before, this.#config.timing)
    this.#timing = bridge ?? this.#config.timing
    this.#engine.configure(this.#engineConfig(this.#config))
    if (bridge === null) return
    this.#engine.setStatus(this.#core.snapshot().status, { deadtimeExtraUs: 0 })
    const intervals = this.#engine.snapshot().links.map((link) => link.intervalUs)
    this.#bridge = setTimeout(() => {
      this.#bridge = null
      this.#revision += 1
      this.#timing = this.#config.timing
      this.#engine.configure(this.#engineConfig(this.#config))
    }, bridgeUs(before, intervals) / 1000)
  }

  #engineConfig(config: ClusterConfig): Parameters<Engine['configure']>[0] {
    const facts = {
      serialFd: (device: string): number | null => this.#lines.fdOf(device),
      addressesOf: (hosts: readonly string[]): string[] => hosts.flatMap((host) => this.#pings.get(host) ?? []),
    }
    return engineConfigOf(config, this.#identity, this.#revision, facts, this.#timing)
  }

  #logTargets(config: ClusterConfig): LogTargets {
    return {
      logFile: config.log.logfile,
      debugFile: config.log.debugfile,
      facility: config.log.facility,
      format: config.log.format,
      stderr: this.#options.logToStderr,
      debug: this.#options.debug || config.log.debug > 0,
    }
  }

  /** Facts of the last life; a planned restart means nothing once the machine itself was restarted. */
  #loadFacts(): Readonly<Record<string, string>> {
    const { facts, damaged } = this.#store.load()
    for (const name of damaged) this.#log.logger.warn({ event: 'state.damaged' }, `ignored: ${name}`)
    const bootId = readFileSync(bootIdFile, 'utf8').trim()
    const sameBoot = facts['boot-id'] === bootId
    void this.#store.store('boot-id', bootId).catch((error: unknown) => {
      this.#log.logger.warn({ event: 'state.unwritable' }, `cannot store the boot id: ${messageOf(error)}`)
    })
    const texts = Object.entries(facts).filter(
      (entry): entry is [string, string] =>
        typeof entry[1] === 'string' && entry[0] !== 'boot-id' && (sameBoot || entry[0] !== 'keep'),
    )
    return Object.fromEntries(texts)
  }

  #raiseGeneration(): number {
    this.#generation = Math.max(this.#generation + 1, Math.floor(Date.now() / 1000))
    try {
      storeGeneration(this.#options, this.#generation)
    } catch (error) {
      this.#log.logger.error(
        { event: 'state.unwritable' },
        `cannot store generation ${String(this.#generation)}: ${messageOf(error)}`,
      )
    }
    return this.#generation
  }

  #active(): void {
    this.#respawner.start(this.#config.respawn, this.#respawnEnvironment())
  }

  #respawnEnvironment(): Record<string, string> {
    return Object.fromEntries(this.#config.env.map(([name, value]) => [`HA_${name}`, value]))
  }

  #note(note: NoteEffect): void {
    if (note.event === 'group.held') this.#members.held(String(note.details['group']))
    this.#log.logger[note.level]({ event: note.event, ...note.details }, note.text)
    if (note.level !== 'debug') notifySupervisor(`STATUS=${note.event}: ${note.text}`)
  }

  /** What the engine reports and the core does not need. */
  #record(record: EngineRecord): void {
    this.#peerFiles.onRecord(record)
    const { logger } = this.#log
    if (record.type === 'link.state') {
      if (record.open) logger.info({ event: 'link.opened' }, `${record.link} is open`)
      else
        logger.warn(
          { event: 'link.failed', errno: record.errno },
          `${record.link} cannot be used: system error ${String(record.errno)}; tried again`,
        )
    } else if (record.type === 'auth.rejected' && this.#config.log.badPackets) {
      logger.warn(
        { event: 'auth.rejected', link: record.link, reason: record.reason, count: record.count },
        `${String(record.count)} messages refused on ${record.link}: ${record.reason}`,
      )
    }
  }

  #explain(group: string): unknown {
    const found = this.#core.snapshot().groups.find((candidate) => candidate.id === group)
    if (found === undefined) throw new TwinbeatError('TB_UNKNOWN_GROUP', `there is no group '${group}'`)
    return found
  }

  async #askStop(verb: 'stop' | 'restart-keep', progress: (text: string) => void): Promise<string> {
    if (verb === 'restart-keep') this.#checkSuccessor()
    const before = this.#stopping
    this.#stopping = true
    notifySupervisor(verb === 'stop' ? 'STOPPING=1' : 'RELOADING=1')
    try {
      return await this.#requests.ask(verb, '', progress)
    } catch (error) {
      this.#stopping = before
      throw error
    }
  }

  /** A successor that cannot start leaves running resources without a heartbeat. */
  #checkSuccessor(): void {
    const config = this.#readFiles()
    refuseUnfitSuccessor(this.#config, config)
    refuseRivals()
    refuseConfiguredAddresses(addressesOf(config))
  }

  async #halt(halt: HaltEffect): Promise<void> {
    this.#stopping = true
    this.#log.logger[halt.how === 'reset' ? 'fatal' : 'info']({ event: `daemon.${halt.how}` }, halt.reason)
    if (halt.how === 'reset') {
      // Nothing may delay this: the peer waits for our death before it takes what we could not stop.
      this.#engine.stop({ farewell: false })
      await this.#log.flush(100)
      this.#exit('reset')
      return
    }
    this.#shell.stop()
    if (this.#bridge !== null) clearTimeout(this.#bridge)
    await this.#respawner.stop()
    if (halt.how === 'stop') this.#engine.stop({ farewell: true })
    await this.#end(halt.how)
  }

  /** The core contradicts itself: release what this node holds, then be gone, so that the peer takes over. */
  async #broken(error: unknown): Promise<void> {
    this.#log.logger.fatal(
      { event: 'core.broken', err: error },
      `broken invariant, releasing everything: ${messageOf(error)}`,
    )
    for (const group of this.#config.groups) {
      for (const member of [...group.members].reverse()) {
        await this.#members.run({
          type: 'member.run',
          call: 0,
          group: group.key,
          digest: group.digest,
          member: member.id,
          action: 'stop',
          authority: null,
        })
      }
    }
    this.#engine.stop({ farewell: false })
    await this.#end('broken')
  }

  async #end(kind: ExitKind): Promise<void> {
    // One turn of the loop lets the last answers of the control socket leave.
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    await this.#control.close()
    this.#lines.close()
    await this.#log.flush(logFlushMs)
    if (kind === 'restart') {
      // Last of all: until here the engine has gone on beating by itself.
      process.env[silentSinceVariable] = String(this.#engine.now())
      this.#engine.stop({ farewell: false })
    }
    this.#exit(kind)
  }
}

function prepareFolders(options: DaemonOptions): void {
  try {
    mkdirSync(options.runDir, { recursive: true, mode: 0o755 })
  } catch (cause) {
    throw new TwinbeatError('TB_RUN_DIR', `cannot make '${options.runDir}': ${messageOf(cause)}`, { cause })
  }
  try {
    mkdirSync(options.stateDir, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new TwinbeatError('TB_STATE_WRITE', `cannot make '${options.stateDir}': ${messageOf(cause)}`, {
      cause,
    })
  }
  const lock = path.join(options.runDir, 'lock')
  const fd = systemCalls().lockFile(lock)
  if (fd === -11) throw new TwinbeatError('TB_ALREADY_RUNNING', `another twinbeatd holds '${lock}'`)
  if (fd < 0) throw new TwinbeatError('TB_RUN_DIR', `cannot lock '${lock}': system error ${String(-fd)}`)
}

function configError(diagnostics: readonly Diagnostic[]): TwinbeatError {
  const errors = diagnostics.filter((finding) => finding.severity === 'error')
  return new TwinbeatError(
    'TB_CONFIG',
    `the configuration has ${String(errors.length)} errors\n${formatDiagnostics(errors)}`,
  )
}

const changeText = (change: Change): string => {
  if (change.change !== 'changed') return `${change.subject} ${change.change}`
  return change.from === null || change.to === null
    ? `${change.subject} changed`
    : `${change.subject} ${change.from} -> ${change.to}`
}

function addressesOf(config: ClusterConfig): string[] {
  return config.groups.flatMap((group) =>
    group.members.flatMap((member) => (member.address === null ? [] : [member.address.address])),
  )
}
