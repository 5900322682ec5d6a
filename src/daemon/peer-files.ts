// Tells the peer the digests of our configuration files and compares its own with ours. Only between twinbeat
// nodes: a real heartbeat would offer the message to scripts. A difference is said, never acted upon.
import type { FileDigests } from '../config/model.js'
import { text, textOf, type Engine, type EngineRecord } from '../engine/engine.js'

const messageType = 'tb_files'
/** Enough to tell files apart; the rest of the digest would only make the packet longer. */
const shownChars = 16
const names = { ha_cf: 'ha.cf', authkeys: 'authkeys', haresources: 'haresources', twinbeat_cf: 'twinbeat.cf' } as const
type Short = Readonly<Record<keyof typeof names, string>>

const shorten = (files: FileDigests): Short => ({
  ha_cf: files.haCf.slice(0, shownChars),
  authkeys: files.authkeys.slice(0, shownChars),
  haresources: files.haresources.slice(0, shownChars),
  twinbeat_cf: files.twinbeatCf?.slice(0, shownChars) ?? 'none',
})

export class PeerFiles {
  #own: Short
  #peer: Short | null = null

  constructor(
    private readonly engine: Pick<Engine, 'send'>,
    files: FileDigests,
  ) {
    this.#own = shorten(files)
  }

  /** After a reload: the new digests, and the peer hears them. */
  update(files: FileDigests): void {
    this.#own = shorten(files)
    if (this.#peer !== null) this.#announce()
  }

  onRecord(record: EngineRecord): void {
    if (record.type === 'peer.status' && record.twinbeat !== null) this.#announce()
    else if (record.type === 'peer.dead') this.#peer = null
    else if (record.type === 'message' && textOf(record.fields, 't') === messageType) {
      const value = (name: string): string => (textOf(record.fields, name) ?? '').slice(0, shownChars)
      this.#peer = {
        ha_cf: value('ha_cf'),
        authkeys: value('authkeys'),
        haresources: value('haresources'),
        twinbeat_cf: value('twinbeat_cf'),
      }
    }
  }

  /** `same`, or the names of the files that differ; null while the peer has not said. */
  verdict(): string | null {
    const peer = this.#peer
    if (peer === null) return null
    const different = (Object.keys(names) as (keyof typeof names)[]).filter((key) => peer[key] !== this.#own[key])
    return different.length === 0 ? 'same' : `different: ${different.map((key) => names[key]).join(', ')}`
  }

  #announce(): void {
    const fields = (Object.keys(names) as (keyof typeof names)[]).map((key) => text(key, this.#own[key]))
    this.engine.send([text('t', messageType), ...fields])
  }
}
