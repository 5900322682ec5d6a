// The composition root: builds the adapters around one core and one engine, and takes them down in order.
import path from 'node:path'
import { Respawner } from './respawn.js'
import { loadConfig } from '../config/load.js'
import { controllerLimits } from '../config/limits.js'
import { changeText, diffConfig } from '../config/diff.js'
import type { ClusterConfig, Diagnostic } from '../config/model.js'
import type { Recorder } from '../observe/recorder.js'
import { coreOfLife } from './recorded-core.js'
import { keepExtraUs } from '../core/takeover/keep.js'
import type { HaltEffect, NoteEffect } from '../core/effects.js'
import type { Core } from '../core/core.js'
import { ControlServer, type ControlServerOptions } from '../control/server.js'
import { controlSocketName } from '../control/protocol.js'
import type { StatusReport } from '../control/report.js'
import type { Engine } from '../engine/engine.js'
import { createEngine } from '../engine/native.js'
import { TwinbeatError, messageOf } from '../errors.js'
import { Cgroups } from '../lrm/cgroups.js'
import { Lrm } from '../lrm/lrm.js'
import { openLog, type LogHandle } from '../observe/log.js'
import { loadInputFromMachine } from '../store/ha-files.js'
import { openIdentity, type Identity } from '../store/identity.js'
import { refuseConfiguredAddresses, refuseRivals } from '../system/preflight.js'
import { systemCalls } from '../system/system.js'
import { coreConfigOf, trackedInterfaces } from './core-config.js'
import { AddressRunner } from './effects/addresses.js'
import { arbiterRunnerOf, type ArbiterRunner } from './effects/arbiter.js'
import { FenceRunner } from './effects/fencing.js'
import { AddressBlocker } from './effects/blocker.js'
import { runNft } from './effects/nft.js'
import { Members, type MemberDependencies } from './effects/members.js'
import { Plans, type PlanDependencies } from './effects/plans.js'
import { refuseHungDisk } from './disk-answers.js'
import { engineConfigOf } from './engine-config.js'
import { noteRecord } from './engine-notes.js'
import { Facts } from './facts.js'
import { GuardianKills, type KillParts } from './guardian-kills.js'
import { GuardianWiring } from './guardian-wiring.js'
import { Lines } from './lines.js'
import { refuseShortLeases, refuseUnfitSuccessor, silentMs, silentSinceVariable } from './keep.js'
import { limitFactsOf, renewEveryMs } from './limits.js'
import { PaceWatch } from './pace-watch.js'
import { addressLocator, carrierOf } from './locate.js'
import { notifySupervisor } from './notify.js'
import type { DaemonOptions } from './options.js'
import { PeerFiles } from './peer-files.js'
import { permissionOf } from './permissions.js'
import { resolvePingHosts, type PingHosts } from './ping-hosts.js'
import { addressesOf, configError, logErrors, logTargetsOf, logWarnings, prepareFolders, privilegesMissing } from './prepare.js'
import { Requests } from './requests.js'
import { rehearseSoon } from './rehearsal.js'
import type { RunLock } from './run-lock.js'
import { defaultReboot, resetLimits, resetMachine } from './reset.js'
import { Shell, type ShellDependencies } from './shell.js'
import { buildStatus } from './status.js'
import { PacedTiming } from './timing-change.js'
import { buildMethods } from './verbs.js'
import { WatchdogReports } from './watchdog-reports.js'

/** The last statuses and the farewell leave within a few milliseconds; the log gets a little longer. */
const logFlushMs = 1000
const recordFlushMs = 500
/** Before a reset, for stops that may take longer than they are worth. */
const releaseMaxMs = 5_000
/** Before a reset: enough for a disk that works, nothing that keeps the machine up. */
const resetFlushMs = 200

export type ExitKind = 'stop' | 'restart' | 'broken' | 'lapsed'

export class Daemon {
  readonly #options: DaemonOptions
  readonly #version: string
  readonly #startedAt = new Date()
  readonly #exit: (kind: ExitKind) => void
  #config: ClusterConfig
  #revision = 1
  #stopping = false
  #reloading: Promise<unknown> = Promise.resolve()
  readonly #timing: PacedTiming
  /** Why this machine still runs although it had to be reset. */
  #resetFailure: string | null = null
  #givingUp = false
  #privileges: readonly string[] = []
  readonly #log: LogHandle
  readonly #identity: Identity
  #generation: number
  readonly #facts: Facts
  readonly #engine: Engine
  readonly #guardian: GuardianWiring
  readonly #watchdog: WatchdogReports
  readonly #core: Core
  readonly #recorder: Recorder
  readonly #shell: Shell
  readonly #members: Members
  readonly #peerFiles: PeerFiles
  readonly #addresses: AddressRunner
  readonly #arbiter: ArbiterRunner
  readonly #fence: FenceRunner
  readonly #plans: Plans
  readonly #pace = new PaceWatch({ engine: () => this.#engine, onWarning: (event, text) => { this.#log.logger.warn(event, text) } })
  readonly #lrm: Lrm
  readonly #blocker: AddressBlocker
  readonly #cgroups: Cgroups
  readonly #kills: GuardianKills
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
    lock: RunLock,
    exit: (kind: ExitKind) => void,
  ) {
    this.#options = options
    this.#version = version
    this.#config = config
    this.#timing = new PacedTiming(config.timing)
    this.#pings = pings
    this.#exit = exit
    this.#log = openLog(config.self, process.pid, logTargetsOf(config, this.#options))
    this.#facts = new Facts({ ...options, log: this.#log.logger })
    this.#identity = openIdentity({
      stateDir: options.stateDir,
      heartbeatDir: options.heartbeatDir,
      nodeName: config.self,
      uuidFrom: config.identity.uuidFrom,
      wallSeconds: Math.floor(Date.now() / 1000),
    })
    this.#generation = this.#identity.generation
    this.#engine = createEngine({ wake: () => { this.#shell.wake() } })
    this.#watchdog = new WatchdogReports({
      config: () => this.#config, core: () => this.#core, engine: () => this.#engine, feed: (event) => { this.#shell.feed(event) },
    })
    this.#guardian = new GuardianWiring({
      runDir: options.runDir,
      lock,
      log: this.#log.logger,
      coredumps: config.process.coredumps,
      attach: (guardian) => { this.#plans.attachGuardian(guardian) },
      watchdog: config.watchdog,
      reports: this.#watchdog,
      kills: () => this.#kills.targets(),
    })
    this.#peerFiles = new PeerFiles(this.#engine, config.files)
    this.#lines = new Lines({
      log: this.#log.logger,
      onOpened: () => {
        this.#revision += 1
        this.#engine.configure(this.#engineConfig(this.#config))
      },
    })
    this.#cgroups = new Cgroups(config.self, options.runDir)
    this.#kills = new GuardianKills(this.#killParts())
    this.#plans = new Plans(this.#planParts())
    this.#addresses = new AddressRunner(this.#engine, async (address) => { await this.#plans.prepare(address) })
    this.#lrm = new Lrm({
      nodeName: config.self, haDir: options.haDir, cgroupOf: (resource, action) => this.#kills.folderOf(resource, action),
    })
    this.#arbiter = arbiterRunnerOf(config, { now: () => this.#engine.now(), incarnation: () => this.#generation }, this.#log.logger)
    this.#blocker = new AddressBlocker({
      run: runNft, log: this.#log.logger, marker: path.join(options.runDir, 'nft-table'),
    })
    this.#members = new Members(this.#memberParts())
    this.#fence = new FenceRunner(this.#facts)
    const { core, recorder } = coreOfLife(coreConfigOf(config, carrierOf), { ...options, program: version, generation: this.#generation })
    this.#core = core
    this.#recorder = recorder
    this.#respawner = new Respawner(this.#log.logger, undefined, (reason) => { void this.#releaseAndReset(reason) })
    this.#shell = new Shell(this.#shellParts())
    this.#requests = new Requests(() => this.#shell, this.#generation)
    this.#control = new ControlServer(this.#controlParts())
  }

  #planParts(): PlanDependencies {
    return {
      engine: this.#engine,
      peer: () => this.#config.nodes.find((node) => node !== this.#config.self) ?? null,
      pictures: () => this.#members.pictures(),
      kills: this.#kills,
      onTaken: (...taken) => { this.#members.taken(...taken) },
      onWarning: (event, text) => { this.#log.logger.warn(event, text) },
    }
  }

  #killParts(): KillParts {
    return {
      config: () => this.#config, core: () => this.#core.snapshot(), cgroups: this.#cgroups, members: () => this.#members,
      onWarning: (event, text) => { this.#log.logger.warn(event, text) },
    }
  }

  #memberParts(): MemberDependencies {
    return {
      close: async (group) => await this.#blocker.close(group),
      addresses: this.#addresses,
      lrm: this.#lrm,
      locate: addressLocator(),
      slotOf: (group) => this.#plans.slotOf(group),
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
    }
  }

  #shellParts(): ShellDependencies {
    return {
      engine: this.#engine,
      core: this.#core,
      members: this.#members,
      addresses: this.#addresses,
      arbiter: this.#arbiter,
      fence: this.#fence,
      plans: this.#plans,
      store: this.#facts,
      raiseGeneration: () => this.#raiseGeneration(),
      onNote: (note) => { this.#note(note) },
      onReply: (reply) => { this.#requests.onReply(reply) },
      onHalt: (halt) => { void this.#halt(halt) },
      onStatus: (status) => { if (status === 'active') this.#active() },
      onRecord: (record) => {
        noteRecord(record, { log: this.#log.logger, lines: this.#lines, badPackets: () => this.#config.log.badPackets })
      },
      onBroken: (error) => { void this.#broken(error) },
      onLapsed: (error) => { void this.#lapsed(error) },
    }
  }

  #controlParts(): ControlServerOptions {
    return {
      path: path.join(this.#options.runDir, controlSocketName),
      methods: buildMethods({
        status: () => this.status(),
        requests: this.#requests,
        fenceHistory: () => this.#fence.history,
        explain: (group) => this.#explain(group),
        reload: async () => await this.reload(),
        requestStop: async (progress) => await this.#askStop('stop', progress),
        requestKeep: async (progress) => await this.#askStop('restart-keep', progress),
      }),
      credentialsOf: (fd) => systemCalls().peerCredentials(fd),
      permissionOf: (uid, gid) => permissionOf(uid, gid, this.#config),
      onError: (text) => { this.#log.logger.error({ event: 'control.failed' }, text) },
    }
  }

  /** Everything up to the first heartbeat. Throws a TwinbeatError with the whole story if that cannot be. */
  static async start(
    options: DaemonOptions,
    version: string,
    exit: (kind: ExitKind) => void,
  ): Promise<Daemon> {
    // A predecessor has just written there, and nobody hears this node until its successor speaks.
    if (process.env[silentSinceVariable] === undefined) await refuseHungDisk(options)
    const lock = await prepareFolders(options)
    const { config, diagnostics } = loadConfig(loadInputFromMachine({ ...options, checkHost: true }))
    if (config === null) throw configError(diagnostics)
    refuseRivals()
    refuseConfiguredAddresses(addressesOf(config))
    const pings = await resolvePingHosts(config)
    const daemon = new Daemon(options, version, config, pings, lock, exit)
    try {
      await daemon.#begin(diagnostics)
    } catch (error) {
      daemon.#shell.stop()
      await daemon.#guardian.goodbye()
      throw error
    }
    return daemon
  }

  async #begin(diagnostics: readonly Diagnostic[]): Promise<void> {
    const { logger } = this.#log
    const born = `generation ${this.#generation.toString(16)}, configuration from ${this.#options.haDir}`
    logger.info({ event: 'daemon.started' }, `twinbeatd ${this.#version} on ${this.#config.self}, ${born}`)
    logWarnings(diagnostics, logger)
    for (const warning of this.#identity.warnings) logger.warn({ event: 'state.unwritable' }, warning)
    this.#configureMembers(this.#config)
    this.#fence.configure(this.#config.fencing)
    this.#findPrivileges(this.#config)
    await this.#lines.open(this.#config)
    await this.#blocker.begin(this.#config.groups)
    this.#engine.configure(this.#engineConfig(this.#config))
    this.#engine.setGeneration(this.#generation)
    await this.#guardian.start()
    await this.#guardian.openWatchdogIfFree()
    this.#engine.start()
    this.#countOnUs()
    if (await this.#plans.written()) await this.#guardian.acknowledged()
    const silence = silentMs(process.env, this.#engine.now())
    if (silence !== null) {
      const text = `this daemon succeeds another: no heartbeat for ${silence.toFixed(0)} ms`
      logger.info({ event: 'daemon.succeeded', silentMs: Math.round(silence) }, text)
    }
    await this.#control.listen()
    this.#addresses.watchInterfaces(trackedInterfaces(this.#config, carrierOf))
    const persisted = this.#facts.load()
    this.#fence.remember(persisted)
    this.#shell.feed({ type: 'boot', generation: this.#generation, persisted })
    this.#watchdog.booted()
    notifySupervisor(`READY=1\nSTATUS=started\nMAINPID=${String(process.pid)}`)
  }

  /** What could be added is written ahead, and the engine is told how long this process may stand still. */
  #countOnUs(): void {
    this.#plans.writeAhead()
    const facts = limitFactsOf(this.#engine.snapshot(), (this.#config.watchdog?.timeoutS ?? 0) * 1_000_000)
    this.#engine.setLimits({ ...controllerLimits(facts), stopBudgetUs: this.#config.twinbeat.lease.stopBudgetUs })
    this.#shell.keepAlive(renewEveryMs)
    this.#pace.watch(this.#config.timing)
  }

  #configureMembers(config: ClusterConfig, inForce?: (group: string, digest: string) => boolean): void {
    this.#members.configure(config.groups, config.twinbeat, this.#options.haDir, inForce)
    for (const [group, why] of this.#members.unusable()) {
      const text = `${group} cannot start on this node, the peer may have it: ${why}; install the agent or correct haresources`
      this.#log.logger.error({ event: 'resource.unresolved', group }, text)
    }
  }

  #findPrivileges(config: ClusterConfig): void {
    this.#privileges = privilegesMissing(config)
    for (const text of this.#privileges) this.#log.logger.warn({ event: 'privilege.missing' }, text)
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
      guardian: this.#guardian.status(),
      stopping: this.#stopping,
      peerFiles: this.#peerFiles.verdict(),
      arbiter: this.#arbiter.health,
      closedLines: this.#lines.closedLines(),
      warnings: [
        ...(this.#resetFailure === null ? [] : [this.#resetFailure]),
        ...(this.#facts.problem === null ? [] : [this.#facts.problem]),
        ...(this.#blocker.problem === null ? [] : [this.#blocker.problem]),
        ...this.#identity.warnings,
        ...this.#privileges,
        ...this.#guardian.problems(), ...this.#kills.problems(),
        ...this.#log.problems(),
      ],
    })
  }

  /** TERM and INT: the same as `twinbeat stop`. A second one changes nothing. */
  requestStop(): void {
    if (this.#stopping && this.#resetFailure === null) {
      this.#log.logger.info({ event: 'stop.repeated' }, 'stopping already: this signal changes nothing')
      return
    }
    this.#askStop('stop', () => { /* nobody listens */ }).catch((error: unknown) => {
      const hint = error instanceof TwinbeatError ? `; ${error.hint}` : ''
      this.#log.logger.error({ event: 'stop.refused' }, `not stopped: ${messageOf(error)}${hint}`)
    })
  }

  setDebug(on: boolean): void { this.#log.setDebug(on) }

  /** One after the other; refused as a whole, with everything kept, or done as a whole. */
  async reload(): Promise<string> {
    const turn = this.#reloading.then(async () => await this.#reload())
    this.#reloading = turn.catch((error: unknown) => {
      const [what = ''] = messageOf(error).split('\n')
      const hint = error instanceof TwinbeatError ? `; ${error.hint}` : ''
      const text = `${what}: the old configuration stays in force${hint}`
      this.#log.logger.error({ event: 'reload.refused' }, text)
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
    this.#configureMembers(config, (group, digest) =>
      running.groups.some((one) => one.id === group && one.digest === digest),
    )
    this.#fence.configure(config.fencing)
    this.#findPrivileges(config)
    this.#configureEngine()
    this.#countOnUs()
    this.#log.retarget(logTargetsOf(config, this.#options))
    this.#addresses.watchInterfaces(trackedInterfaces(config, carrierOf))
    await this.#blocker.configure(config.groups)
    this.#shell.feed({ type: 'config.changed', config: coreConfigOf(config, carrierOf) })
    if (running.status === 'active') await this.#respawner.change(config.respawn, this.#respawnEnvironment())
    this.#log.logger.info({ event: 'config.reloaded' }, changes)
    return `reloaded: ${changes}`
  }

  /** The files as they are now; throws with every problem if a daemon could not start from them. */
  #readFiles(): ClusterConfig {
    const { config, diagnostics } = loadConfig(loadInputFromMachine({ ...this.#options, checkHost: true }))
    if (config === null) {
      logErrors(diagnostics, this.#log.logger)
      throw configError(diagnostics)
    }
    return config
  }

  #configureEngine(): void {
    this.#timing.change(this.#config.timing, {
      apply: () => {
        this.#revision += 1
        this.#engine.configure(this.#engineConfig(this.#config))
      },
      announce: () => { this.#engine.setStatus(this.#core.snapshot().status, { deadtimeExtraUs: 0 }) },
      linkIntervalsUs: () => this.#engine.snapshot().links.map((link) => link.intervalUs),
    })
  }

  #engineConfig(config: ClusterConfig): Parameters<Engine['configure']>[0] {
    const facts = {
      serialFd: (device: string): number | null => this.#lines.fdOf(device),
      addressesOf: (hosts: readonly string[]): string[] => hosts.flatMap((host) => this.#pings.get(host) ?? []),
    }
    return engineConfigOf(config, this.#identity, this.#revision, facts, this.#timing.current)
  }

  #raiseGeneration(): number {
    this.#generation = Math.max(this.#generation + 1, Math.floor(Date.now() / 1000))
    this.#facts.storeGeneration(this.#generation)
    return this.#generation
  }

  #active(): void {
    rehearseSoon(coreConfigOf(this.#config, carrierOf), (text) => { this.#log.logger.warn({ event: 'rehearsal.failed' }, text) })
    this.#respawner.start(this.#config.respawn, this.#respawnEnvironment())
  }

  #respawnEnvironment(): Record<string, string> {
    return Object.fromEntries(this.#config.env.map(([name, value]) => [`HA_${name}`, value]))
  }

  #note(note: NoteEffect): void {
    if (note.event === 'group.held') this.#members.held(String(note.details['group']))
    this.#blocker.onNote(note)
    this.#log.logger[note.level]({ event: note.event, ...note.details }, note.text)
    if (note.level !== 'debug') notifySupervisor(`STATUS=${note.event}: ${note.text}`)
  }

  #explain(group: string): unknown {
    const found = this.#core.snapshot().groups.find(({ id }) => id === group)
    if (found === undefined) throw new TwinbeatError('TB_UNKNOWN_GROUP', `there is no group '${group}'`)
    return found
  }

  async #askStop(verb: 'stop' | 'restart-keep', progress: (text: string) => void): Promise<string> {
    if (this.#resetFailure !== null) throw new TwinbeatError('TB_RESET_FAILED', this.#resetFailure)
    if (verb === 'restart-keep') this.#checkSuccessor()
    const before = this.#stopping
    this.#stopping = true
    try {
      // What is let go first; the supervisor has time.
      const asked = this.#requests.ask(verb, '', progress)
      notifySupervisor(verb === 'stop' ? 'STOPPING=1' : 'RELOADING=1')
      return await asked
    } catch (error) {
      this.#stopping = before
      throw error
    }
  }

  /** A successor that cannot start leaves running resources without a heartbeat. */
  #checkSuccessor(): void {
    const config = this.#readFiles()
    refuseUnfitSuccessor(this.#config, config)
    refuseShortLeases(this.#core.snapshot().groups, this.#engine.now(), this.#config.twinbeat.lease.renewUs)
    refuseRivals()
    refuseConfiguredAddresses(addressesOf(config))
  }

  async #halt(halt: HaltEffect): Promise<void> {
    this.#stopping = true
    this.#log.logger[halt.how === 'reset' ? 'fatal' : 'info']({ event: `daemon.${halt.how}` }, halt.reason)
    if (halt.how === 'reset') {
      await this.#reset()
      return
    }
    this.#shell.stop()
    this.#timing.stop()
    await this.#respawner.stop()
    if (halt.how === 'stop') {
      this.#engine.stop({ farewell: true })
      await this.#blocker.end()
    }
    await this.#end(halt.how)
  }

  async #releaseAndReset(reason: string): Promise<void> {
    // Nothing that hangs here may keep the machine up.
    await Promise.race([this.#members.releaseAll(this.#config.groups), new Promise((resolve) => { setTimeout(resolve, releaseMaxMs) })])
    await this.#halt({ type: 'halt', how: 'reset', reason })
  }

  async #reset(): Promise<void> {
    const { logger } = this.#log
    await this.#guardian.starve()
    const failure = await resetMachine(this.#config.twinbeat.resetCommand, {
      log: logger,
      flush: async () => {
        await this.#log.flush(resetFlushMs)
      },
      rebootNow: defaultReboot,
      ...resetLimits,
    })
    // The heartbeats go on: they are what keeps the peer from starting what still runs here.
    this.#resetFailure =
      `${failure}; what could not be stopped stays blocked here and the peer does not take it: ` +
      'end it by hand, then reboot this machine'
    logger.fatal({ event: 'reset.failed' }, this.#resetFailure)
  }

  /** Something was thrown that nobody expected. A second one during the release changes nothing. */
  giveUp(error: unknown): void {
    if (this.#givingUp) return
    this.#givingUp = true
    this.#shell.stop()
    void this.#broken(error)
  }

  /** The engine has released what it may and is silent: only agents are left to be stopped here. */
  async #lapsed(error: TwinbeatError): Promise<void> {
    if (this.#givingUp) return
    this.#givingUp = true
    this.#stopping = true
    const text = `${error.message}: the engine has let go and is silent; stopping the rest, then a new daemon must begin`
    this.#log.logger.fatal({ event: 'daemon.lapsed' }, text)
    await this.#members.releaseAll(this.#config.groups)
    this.#engine.stop({ farewell: false })
    await this.#end('lapsed')
  }

  /** The core contradicts itself: release what this node holds, then be gone, so that the peer takes over. */
  async #broken(error: unknown): Promise<void> {
    this.#log.logger.fatal({ event: 'core.broken', err: error }, `broken invariant, releasing everything: ${messageOf(error)}`)
    await this.#members.releaseAll(this.#config.groups)
    this.#engine.stop({ farewell: false })
    await this.#end('broken')
  }

  async #end(kind: ExitKind): Promise<void> {
    // One turn of the loop lets the last answers of the control socket leave.
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    await this.#arbiter.close()
    await this.#control.close()
    this.#lines.close()
    this.#shell.end()
    this.#cgroups.tidy()
    await this.#recorder.close(recordFlushMs)
    if (kind === 'stop') await this.#guardian.goodbye()
    if (kind === 'restart') await this.#guardian.keep(this.#engine.now() + keepExtraUs)
    await this.#log.flush(logFlushMs)
    if (kind === 'restart') {
      // Last of all: until here the engine has gone on beating by itself.
      process.env[silentSinceVariable] = String(this.#engine.now())
      this.#engine.stop({ farewell: false })
    }
    this.#exit(kind)
  }
}
