// The log: pino makes the records, this file says where they go. Text lines in heartbeat's form for
// people, JSON by option, syslog. Nothing here ever waits: files are written from the thread pool with a
// bounded buffer, syslog by a non-blocking datagram; what does not fit is dropped, counted and reported.
import { pino, type Logger, type DestinationStream } from 'pino'
import { FileSink } from './file-sink.js'
import { connect as connectSyslog, syslogStamp, type SyslogSink } from './syslog.js'

export interface LogTargets {
  /** info and above; null: none. */
  readonly logFile: string | null
  /** everything; null: none. */
  readonly debugFile: string | null
  /** syslog facility name; null: none. */
  readonly facility: string | null
  readonly format: 'text' | 'json'
  /** Also to standard error (foreground on a terminal, or nothing else configured to write to). */
  readonly stderr: boolean
  readonly debug: boolean
}

export interface LogHandle {
  readonly logger: Logger
  /** Opens the files anew (after logrotate, SIGHUP). */
  reopen(): void
  /** Changes targets without losing lines (reload). */
  retarget(targets: LogTargets): void
  setDebug(on: boolean): void
  /** Lines dropped so far because a target could not take them. */
  dropped(): number
  /** Targets that lose lines right now, as sentences for status. */
  problems(): readonly string[]
  /** Gives the files up to `ms` to take what is buffered. Never longer: a hung disk must not hold a stop. */
  flush(ms: number): Promise<void>
}

interface FileTarget {
  readonly sink: FileSink
  readonly minLevel: number
}

interface LogLine {
  readonly level: number
  readonly time: number
  readonly msg?: string
  readonly event?: string
  readonly err?: { readonly message?: string }
}

const infoLevel = 30
/** Lines that wait to be written. */
const saidMax = 256
/** That a peer is late is said a moment before its death is: no line may be in the way of what follows it. */
const writeAfterMs = 20
/** Error and fatal, as pino begins its lines. */
const severe = /^\{"level":[56]0,/

const levelWords: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'WARN',
  50: 'ERROR',
  60: 'CRIT',
}

/** One line for people: `Nov 22 10:11:12 alpha twinbeatd: [1234]: WARN: peer.dead: beta declared dead`. */
export function formatText(line: LogLine, node: string, pid: number): string {
  const event = line.event === undefined ? '' : `${line.event}: `
  const cause = line.err?.message === undefined ? '' : ` (${line.err.message})`
  return (
    `${syslogStamp(line.time)} ${node} twinbeatd: [${String(pid)}]: ` +
    `${levelWords[line.level] ?? 'info'}: ${event}${oneLine(`${line.msg ?? ''}${cause}`)}\n`
  )
}

/** Control characters of foreign text (an agent's output) must not forge lines. */
export const oneLine = (text: string): string =>
  // eslint-disable-next-line no-control-regex
  text.replace(/[\u0000-\u001f\u007f]+/g, ' ')

/** Said in the middle of a takeover, written after it. */
function postponed(write: (json: string) => void): { readonly say: (json: string) => void; readonly writeAll: () => void } {
  const said: string[] = []
  let timer: NodeJS.Timeout | undefined
  const writeAll = (): void => {
    clearTimeout(timer)
    for (const json of said.splice(0)) write(json)
  }
  const say = (json: string): void => {
    if (said.length === 0) timer = setTimeout(writeAll, writeAfterMs)
    said.push(json)
    if (said.length >= saidMax) writeAll()
  }
  return { say, writeAll }
}

export function openLog(node: string, pid: number, targets: LogTargets): LogHandle {
  let current = targets
  let files: FileTarget[] = []
  let syslog: SyslogSink | null = null
  /** Lines that targets of an earlier configuration lost. */
  let droppedBefore = 0

  const openFile = (file: string, minLevel: number): FileTarget => ({
    minLevel,
    sink: new FileSink({
      file,
      onRecovered: (lost, why) => {
        logger.warn({ event: 'log.recovered', file, lost }, `'${file}' takes lines again; ${String(lost)} were lost: ${why}`)
      },
    }),
  })
  const openAll = (): void => {
    if (current.logFile !== null) files.push(openFile(current.logFile, infoLevel))
    if (current.debugFile !== null && current.debugFile !== current.logFile) {
      files.push(openFile(current.debugFile, 0))
    }
    syslog = current.facility === null ? null : connectSyslog(current.facility, `twinbeatd[${String(pid)}]`)
  }
  openAll()

  const write = (json: string): void => {
    const line = JSON.parse(json) as LogLine
    const text = current.format === 'json' ? json : formatText(line, node, pid)
    for (const { sink, minLevel } of files) if (line.level >= minLevel) sink.write(text)
    if (current.stderr) process.stderr.write(text)
    if (syslog !== null && line.level >= infoLevel) {
      const event = line.event === undefined ? '' : `${line.event}: `
      const plain = current.format === 'json' ? json.trimEnd() : oneLine(`${event}${line.msg ?? ''}`)
      syslog.send(line.level, plain)
    }
  }
  const { say, writeAll } = postponed(write)
  const destination: DestinationStream = {
    write(json: string): void {
      say(json)
      // Nobody knows how long a process lives after an error.
      if (current.stderr || severe.test(json)) writeAll()
    },
  }
  const logger = pino({ level: targets.debug ? 'debug' : 'info', base: { node } }, destination)

  return {
    logger,
    reopen: () => { writeAll(); for (const { sink } of files) sink.reopen() },
    retarget: (next) => {
      writeAll()
      const old = files
      const before = syslog
      files = []
      current = next
      openAll()
      before?.close()
      droppedBefore += (before?.dropped() ?? 0) + sum(old.map(({ sink }) => sink.dropped))
      for (const { sink } of old) sink.end()
      logger.level = next.debug ? 'debug' : 'info'
    },
    setDebug: (on) => { logger.level = on ? 'debug' : 'info' },
    dropped: () => droppedBefore + (syslog?.dropped() ?? 0) + sum(files.map(({ sink }) => sink.dropped)),
    problems: () => files.flatMap(({ sink }) => (sink.problem === null ? [] : [`log lines are lost: ${sink.problem}`])),
    flush: async (ms) => {
      writeAll()
      const timeout = new Promise<void>((resolve) => { setTimeout(resolve, ms).unref() })
      await Promise.race([Promise.all(files.map(({ sink }) => sink.settled())), timeout])
    },
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)
