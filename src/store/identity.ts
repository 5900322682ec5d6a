// Who this node is on the wire: a uuid that stays, and a generation that grows with every start.
// Both are taken over from a Heartbeat installation at the first start and written back to it, so that
// going to twinbeat and going back to heartbeat each look like a clean restart to the peer.
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { messageOf } from '../errors.js'
import { writeFileAtomic, writeFileAtomicSync } from './atomic-file.js'

export interface IdentityOptions {
  readonly stateDir: string
  /** Heartbeat's own state folder; used only if it exists. */
  readonly heartbeatDir: string
  readonly nodeName: string
  readonly uuidFrom: 'file' | 'nodename'
  /** Wall clock, whole seconds: only a floor for the generation, never a deadline. */
  readonly wallSeconds: number
}

export interface Identity {
  readonly uuid: Uint8Array
  readonly generation: number
  /** True if nothing was known of this node before: no own state and none of heartbeat's. */
  readonly firstStart: boolean
  /** What could not be stored, as sentences for the log. The node runs all the same. */
  readonly warnings: readonly string[]
}

const uuidBytes = 16
/** 15 characters, right-aligned, and a line feed: the form that heartbeat writes and reads. */
const formatGeneration = (generation: number): string => `${String(generation).padStart(15)}\n`

function readUuid(file: string): Uint8Array | null {
  try {
    const bytes = readFileSync(file)
    return bytes.length === uuidBytes && bytes.some((byte) => byte !== 0) ? bytes : null
  } catch {
    return null
  }
}

function readGeneration(file: string): number | null {
  try {
    const text = readFileSync(file, 'latin1').slice(0, 64).trim()
    if (!/^[0-9]{1,10}$/.test(text)) return null
    return Number(text)
  } catch {
    return null
  }
}

/** Largest generation that a peer can hold: `hg` is read as an unsigned 32-bit number. */
const generationMax = 0xffff_fffe

export function openIdentity(options: IdentityOptions): Identity {
  const own = {
    uuid: path.join(options.stateDir, 'uuid'),
    generation: path.join(options.stateDir, 'generation'),
  }
  const theirs = {
    uuid: path.join(options.heartbeatDir, 'hb_uuid'),
    generation: path.join(options.heartbeatDir, 'hb_generation'),
  }
  const besideHeartbeat = existsSync(options.heartbeatDir)
  const ownUuid = readUuid(own.uuid)
  const theirUuid = besideHeartbeat ? readUuid(theirs.uuid) : null
  // Heartbeat's file wins over ours: if the node ran heartbeat in between, that is what the peer knows.
  const uuid =
    options.uuidFrom === 'nodename'
      ? createHash('md5').update(options.nodeName).digest()
      : (theirUuid ?? ownUuid ?? randomBytes(uuidBytes))
  const ownGeneration = readGeneration(own.generation)
  const theirGeneration = besideHeartbeat ? readGeneration(theirs.generation) : null
  const generation = Math.min(
    Math.max((ownGeneration ?? 0) + 1, (theirGeneration ?? 0) + 1, options.wallSeconds),
    generationMax,
  )

  const warnings: string[] = []
  const store = (file: string, data: string | Uint8Array, what: string, loss: string): void => {
    try {
      writeFileAtomicSync(file, data, 0o600)
    } catch (error) {
      warnings.push(`cannot store the ${what} in '${file}': ${messageOf(error)}; ${loss}; free space there`)
    }
  }
  const fromClock = 'the next start takes it from the wall clock'
  const newUuid = 'the next start makes a new one, as if this were another machine'
  const back = 'heartbeat, if it is started again on this machine, will not continue from it'
  store(own.generation, formatGeneration(generation), 'generation', fromClock)
  if (ownUuid === null || Buffer.compare(ownUuid, uuid) !== 0) store(own.uuid, uuid, 'uuid', newUuid)
  if (besideHeartbeat) {
    store(theirs.generation, formatGeneration(generation), 'generation for heartbeat', back)
    if (theirUuid === null) store(theirs.uuid, uuid, 'uuid for heartbeat', back)
  }
  const firstStart =
    ownUuid === null && theirUuid === null && ownGeneration === null && theirGeneration === null
  return { uuid, generation, firstStart, warnings }
}

/** Stores a generation that was raised while running; errors are the caller's to report. */
export async function storeGeneration(
  options: Pick<IdentityOptions, 'stateDir' | 'heartbeatDir'>,
  generation: number,
): Promise<void> {
  await writeFileAtomic(path.join(options.stateDir, 'generation'), formatGeneration(generation))
  if (existsSync(options.heartbeatDir)) {
    await writeFileAtomic(path.join(options.heartbeatDir, 'hb_generation'), formatGeneration(generation))
  }
}
