// The guardian in the daemon's life: started before the engine, started again when it dies, told when the daemon ends in
// order, and relieved by the successor of a planned restart. What it did without us it wrote down; that is logged here.
import { readFileSync, truncateSync } from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import {
  GuardianLine, guardCalls, guardianJournalName, parseGuardianStatus, startGuardian, type GuardianStatus,
} from '../engine/guardian.js'
import { TwinbeatError, messageOf } from '../errors.js'
import { systemCalls } from '../system/system.js'
import { errnoName } from './link-words.js'
import { lockAfterRelief, type RunLock } from './run-lock.js'
import type { WatchdogReports } from './watchdog-reports.js'

export interface GuardianParts {
  readonly runDir: string
  readonly lock: RunLock
  readonly log: Logger
  /** Tells the engine of the guardian: descriptors that stay ours. */
  readonly attach: (guardian: { readonly pageFd: number; readonly socketFd: number }) => void
  /** Core dumps are wanted. A dump holds up the death of the process, and with it the removal, by its whole length. */
  readonly coredumps: boolean
  readonly watchdog: { readonly device: string; readonly timeoutS: number } | null
  readonly reports: Pick<WatchdogReports, 'unaccounted' | 'changed'>
  /** Folder of each group whose services end with the daemon, as of now. */
  readonly kills: () => ReadonlyMap<string, string>
}

/** The first attempt follows at once: without a guardian nothing may be taken. */
const retryMs = [0, 100, 300, 1_000, 3_000] as const
/** A status line that nobody answers must not hold up `twinbeat status`. */
const lookEveryMs = 1_000
/** What the peer and the lease count on is known within a second; without a watchdog the answer is only shown. */
const looksPerStatus = { watchdog: 1, none: 5 } as const
/** Until the watchdog may be opened, the one that an earlier life opened may be counting: a second of it is much. */
const watchdogRetryMs = 100

export class GuardianWiring {
  readonly #parts: GuardianParts
  readonly #pageFd: number
  readonly #pidfd: number
  #line: GuardianLine | null = null
  #old: GuardianLine | null
  #ending = false
  #failures = 0
  #retry: NodeJS.Timeout | null = null
  #poll: NodeJS.Timeout | null = null
  #waiting: NodeJS.Timeout | null = null
  #waitsFor: string | null = null
  #watchdogUs: number | null = null
  #status: GuardianStatus | null = null
  /** What this guardian ends. */
  #killed = new Map<string, string>()
  #tellingKills = false
  #killsProblem: string | null = null

  constructor(parts: GuardianParts) {
    this.#parts = parts
    this.#old = parts.lock.old
    this.#pageFd = descriptor('the page cannot be made', guardCalls().createPage())
    this.#pidfd = descriptor('this process cannot be watched', guardCalls().ownPidfd())
  }

  /** Throws if there is no guardian: a daemon without one could never take anything. */
  async start(): Promise<void> {
    const { runDir, log, lock, coredumps } = this.#parts
    if (!coredumps) guardCalls().dumpNoCore()
    logJournal(path.join(runDir, guardianJournalName), log)
    if (lock.waitedMs > 0) {
      const text = `waited ${lock.waitedMs.toFixed(0)} ms for the guardian of the daemon before`
      log.info({ event: 'guardian.awaited', waitedMs: Math.round(lock.waitedMs) }, text)
    }
    await this.#begin()
    const every = looksPerStatus[this.#parts.watchdog === null ? 'none' : 'watchdog']
    let looks = 0
    this.#poll = setInterval(() => {
      looks += 1
      if (looks % every === 0) void this.#lookAtStatus()
      void this.tellKills()
    }, lookEveryMs).unref()
  }

  async #begin(): Promise<void> {
    const { runDir, lock } = this.#parts
    const pair = guardCalls().bellPair()
    if (typeof pair === 'number') throw new TwinbeatError('TB_GUARDIAN', `no bell for the guardian: ${errnoName(-pair)}`)
    const [ours, its] = pair
    try {
      await startGuardian({ runDir, lockFd: lock.fd, pageFd: this.#pageFd, bellFd: its, pidfd: this.#pidfd })
      this.#line = await GuardianLine.open(runDir, () => { this.#lost() })
      if (this.#line === null) throw new TwinbeatError('TB_GUARDIAN', 'the guardian does not listen')
      this.#line.unref()
      this.#parts.attach({ pageFd: this.#pageFd, socketFd: ours })
    } finally {
      systemCalls().closeFd(ours)
      systemCalls().closeFd(its)
    }
    this.#failures = 0
    // Answers of the one before that are still on their way count for that one.
    this.#killed = new Map()
    await this.tellKills()
    await this.#lookAtStatus()
  }

  /** Whatever changed it: configuration, hold, another guardian. What it does not know is not killed, and has no last words. */
  async tellKills(): Promise<void> {
    const line = this.#line
    if (line === null || this.#ending || this.#tellingKills) return
    this.#tellingKills = true
    try {
      await this.#bringKills(line, this.#parts.kills())
      this.#killsProblem = null
    } catch (error) {
      // Asked again each second, said once.
      const text = messageOf(error)
      if (text !== this.#killsProblem) this.#parts.log.error({ event: 'guardian.failed' }, `services do not end with this daemon: ${text}`)
      this.#killsProblem = text
    } finally {
      this.#tellingKills = false
    }
  }

  /** Known is what it answered to: a group on hold that it has not heard of yet is told again. */
  async #bringKills(line: GuardianLine, wanted: ReadonlyMap<string, string>): Promise<void> {
    const known = this.#killed
    for (const group of [...known.keys()].filter((one) => !wanted.has(one))) {
      await line.ask(`spare ${group}`)
      known.delete(group)
    }
    for (const [group, folder] of [...wanted].filter(([one, folder]) => known.get(one) !== folder)) {
      await line.ask(`kill ${group} ${folder}`)
      known.set(group, folder)
    }
  }

  /** Our guardian holds the write-ahead: the one of the daemon before may go, and so may its lock. */
  async acknowledged(): Promise<void> {
    const old = this.#old
    if (old === null) return
    this.#old = null
    const { log, lock } = this.#parts
    try {
      await old.ask('relieve')
      if (!await lockAfterRelief(lock.fd)) throw new Error('it keeps the lock')
      log.info({ event: 'guardian.relieved' }, 'the guardian of the daemon before was relieved')
    } catch (error) {
      log.warn({ event: 'guardian.unrelieved' }, `the guardian of the daemon before was not relieved: ${messageOf(error)}`)
    }
    old.close()
    await this.#openWatchdog()
  }

  /** Only one process can open the device: not before the guardian of the daemon before has let it go. */
  async openWatchdogIfFree(): Promise<void> {
    if (this.#old === null) await this.#openWatchdog()
  }

  async #openWatchdog(): Promise<void> {
    const { watchdog, log, reports } = this.#parts
    if (watchdog === null || this.#line === null || this.#ending) return
    // What an earlier life left running is ended by the watchdog that it opened: opening it again would keep that up.
    const group = reports.unaccounted(watchdog.timeoutS * 1_000_000)
    if (group !== null) return this.#waitForServices(group)
    try {
      const answer = await this.#line.ask(`watchdog ${String(watchdog.timeoutS)} ${watchdog.device}`)
      const nowayout = answer.includes('nowayout=1') ? '; it cannot be stopped any more, not even by an orderly stop' : ''
      log.info({ event: 'watchdog.open' }, `${watchdog.device} is open: ${answer}${nowayout}`)
    } catch (error) {
      const text = `${watchdog.device} does not watch over this machine: ${messageOf(error)}`
      log.error({ event: 'watchdog.failed' }, text)
    }
    await this.#lookAtStatus()
  }

  #waitForServices(group: string): void {
    if (this.#waitsFor !== group) {
      this.#waitsFor = group
      this.#parts.log.info({ event: 'watchdog.waiting' },
        `the watchdog is not opened before it is known that ${group} is stopped here or may be kept`)
    }
    if (this.#waiting !== null) clearTimeout(this.#waiting)
    this.#waiting = setTimeout(() => { void this.#openWatchdog() }, watchdogRetryMs).unref()
  }

  #lost(): void {
    this.#line = null
    this.#status = null
    if (this.#ending) return
    this.#tellWatchdog()
    this.#parts.log.error({ event: 'guardian.died' }, 'the guardian is gone: nothing is taken until another one guards')
    this.#again()
  }

  #again(): void {
    const delay = retryMs[Math.min(this.#failures, retryMs.length - 1)] ?? 0
    this.#retry = setTimeout(() => {
      this.#begin().then(
        async () => {
          this.#parts.log.info({ event: 'guardian.started' }, 'another guardian guards')
          await this.openWatchdogIfFree()
        },
        (error: unknown) => {
          this.#failures += 1
          this.#parts.log.error({ event: 'guardian.failed' }, messageOf(error))
          this.#again()
        },
      )
    }, delay)
  }

  async #lookAtStatus(): Promise<void> {
    try {
      this.#status = this.#line === null ? null : parseGuardianStatus(await this.#line.ask('status'))
    } catch {
      this.#status = null
    }
    this.#tellWatchdog()
  }

  #tellWatchdog(): void {
    const watchdog = this.#status?.watchdog ?? null
    const us = watchdog?.state === 'petted' ? watchdog.timeoutS * 1_000_000 : null
    if (us === this.#watchdogUs || this.#ending) return
    this.#watchdogUs = us
    this.#parts.reports.changed(us)
  }

  /** As of at most a second ago with a watchdog, five without; null: there is none, or it does not answer. */
  status(): GuardianStatus | null {
    return this.#status
  }

  /** What reduces the protection now. */
  problems(): string[] {
    if (this.#line === null && !this.#ending) return ['no guardian: nothing is taken until one guards']
    const { watchdog } = this.#parts
    const state = this.#status?.watchdog?.state ?? null
    if (watchdog === null || this.#status === null || state === 'petted') return []
    const what = state === 'starving'
      ? 'is not petted: this machine is about to be reset' : 'is not open: nothing resets this machine when it hangs'
    return [`watchdog ${watchdog.device} ${what}`]
  }

  /** Until then nothing is removed although this daemon ends: its successor takes over. */
  async keep(untilUs: number): Promise<void> {
    this.#end()
    try {
      await this.#line?.ask(`keep ${untilUs.toFixed(0)}`)
    } catch (error) {
      // It removes the addresses then; the successor finds them gone and takes them anew.
      this.#parts.log.error({ event: 'guardian.failed' }, `the addresses are not kept over the restart: ${messageOf(error)}`)
    }
  }

  /** Everything is released: the guardian ends, and the watchdog with it if that lets itself be ended. */
  async goodbye(): Promise<void> {
    this.#end()
    try {
      const answer = await this.#line?.ask('goodbye')
      if (answer === 'held') {
        this.#parts.log.warn({ event: 'guardian.held' }, 'at the end the guardian still saw addresses that this node had taken')
      }
    } catch (error) {
      this.#parts.log.warn({ event: 'guardian.held' }, `the guardian did not say goodbye: ${messageOf(error)}`)
    }
    this.#line?.close()
  }

  /** The watchdog runs out, whatever else happens. */
  async starve(): Promise<void> {
    await this.#line?.ask('starve').catch(() => { /* there is no watchdog */ })
  }

  #end(): void {
    this.#ending = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    if (this.#poll !== null) clearInterval(this.#poll)
    if (this.#waiting !== null) clearTimeout(this.#waiting)
  }
}

function descriptor(what: string, answer: number): number {
  if (answer < 0) throw new TwinbeatError('TB_GUARDIAN', `${what}: ${errnoName(-answer)}`)
  return answer
}

/** What the guardian of an earlier life did, in the log of this one; then forgotten. */
function logJournal(file: string, log: Logger): void {
  let text = ''
  try {
    text = readFileSync(file, 'latin1')
    truncateSync(file, 0)
  } catch {
    return
  }
  for (const line of text.split('\n').filter((one) => one !== '')) {
    try {
      const { atMs, event, text: said } = JSON.parse(line) as { atMs: number; event: string; text: string }
      const at = new Date(atMs).toISOString()
      log.warn({ event: 'guardian.report', guardianEvent: event, guardianAt: at }, `${at} ${event}: ${said}`)
    } catch {
      log.warn({ event: 'guardian.report' }, line)
    }
  }
}
