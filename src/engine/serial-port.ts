// Finds, opens and sets up a serial line for the engine, which gets the descriptor and does all reading and writing.
// Two locks, because other programs know one or the other: flock on the device, and the UUCP lock file that heartbeat,
// gettys and modem programs use.
import { link, readFile, unlink, writeFile } from 'node:fs/promises'
import { unlinkSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { TwinbeatError, errnoOf, messageOf } from '../errors.js'

export interface SerialLine {
  /** Belongs to this object; the engine duplicates it. */
  readonly fd: number
  readonly baud: number
  /** Gives the locks back. The engine's duplicate lives on until the link leaves its configuration. */
  close(): void
}

export interface SerialLineOptions {
  readonly path: string
  readonly baud: number
  readonly lock: boolean
  /** Folder of the UUCP lock files; /var/lock unless said otherwise. */
  readonly lockFolder?: string
}

const uucpFolder = '/var/lock'
/** A stale lock is removed once; whoever takes the place in between has it. */
const lockTries = 2

const failed = (path: string, why: string, cause?: unknown): TwinbeatError =>
  new TwinbeatError('TB_SERIAL_LINE', `serial line '${path}': ${why}`, { cause })

export async function openSerialLine(options: SerialLineOptions): Promise<SerialLine> {
  const { path, baud } = options
  const lockFile = options.lock ? await takeUucpLock(path, options.lockFolder ?? uucpFolder) : null
  try {
    // Loaded only where a line is configured: a third of what a daemon loads, and a successor starts in silence.
    const { SerialPort } = await import('serialport')
    const port = await SerialPort.binding.open({
      path, baudRate: baud, dataBits: 8, stopBits: 1, parity: 'none', rtscts: true, hupcl: false, lock: options.lock,
    })
    const fd = 'fd' in port && typeof port.fd === 'number' ? port.fd : null
    if (fd === null) throw failed(path, 'the driver gives no descriptor')
    return {
      fd,
      baud,
      close: () => {
        // Closing a line that a hang-up has closed already is no news.
        port.close().catch(() => undefined)
        if (lockFile !== null) giveUucpLock(lockFile)
      },
    }
  } catch (cause) {
    if (lockFile !== null) giveUucpLock(lockFile)
    throw cause instanceof TwinbeatError ? cause : failed(path, plain(messageOf(cause)), cause)
  }
}

/** serialport says "Error: Error Resource temporarily unavailable Cannot lock port". */
function plain(message: string): string {
  return message.replace(/^(Error:? )+/, '').replace(/,? cannot open .*$/i, '')
}

/** The file that now holds our process id; null where the folder does not exist. */
async function takeUucpLock(path: string, folder: string): Promise<string | null> {
  const file = join(folder, `LCK..${basename(path)}`)
  // Written beside it and linked into place, so that nobody ever sees a lock without its owner.
  const fresh = join(folder, `LTMP.${process.pid}.${basename(path)}`)
  try {
    await writeFile(fresh, `${String(process.pid).padStart(10)}\n`, { mode: 0o644 })
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return null
    throw failed(path, `the lock folder '${folder}' cannot be written: ${messageOf(cause)}`, cause)
  }
  try {
    for (let attempt = 0; attempt < lockTries; attempt++) {
      try {
        await link(fresh, file)
        return file
      } catch (cause) {
        if (errnoOf(cause) !== 'EEXIST') throw failed(path, `no lock file: ${messageOf(cause)}`, cause)
      }
      const owner = await ownerOf(file)
      if (owner !== null && isAlive(owner)) throw failed(path, `locked by process ${owner} (${file})`)
      await unlink(file).catch(() => undefined)
    }
    throw failed(path, `another process took the lock ${file}`)
  } finally {
    await unlink(fresh).catch(() => undefined)
  }
}

/** Null for a file without a number: nobody who keeps the convention owns it. */
async function ownerOf(file: string): Promise<number | null> {
  const pid = Number.parseInt(await readFile(file, 'latin1').catch(() => ''), 10)
  return Number.isInteger(pid) && pid > 0 ? pid : null
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errnoOf(error) !== 'ESRCH'
  }
}

function giveUucpLock(file: string): void {
  try {
    if (Number.parseInt(readFileSync(file, 'latin1'), 10) === process.pid) unlinkSync(file)
  } catch {
    // Already gone: somebody tidied the folder up.
  }
}
