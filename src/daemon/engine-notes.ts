// What the engine reports for people only: links that open and fail, messages that are refused.
import type { Logger } from 'pino'
import type { EngineRecord } from '../engine/engine.js'
import type { Lines } from './lines.js'
import { whyClosed } from './link-words.js'

export interface EngineNotesParts {
  readonly log: Logger
  readonly lines: Pick<Lines, 'lost' | 'back'>
  /** `log_badpack` of ha.cf. */
  readonly badPackets: () => boolean
}

export function noteRecord(record: EngineRecord, parts: EngineNotesParts): void {
  const { log, lines } = parts
  if (record.type === 'link.state') {
    const { link, errno } = record
    if (record.open) {
      log.info({ event: 'link.opened' }, `${link} is open`)
      lines.back(link)
    } else {
      const why = whyClosed(errno)
      log.warn({ event: 'link.failed', errno }, `${link} cannot be used, ${why}; tried again every second`)
      lines.lost(link, why)
    }
  } else if (record.type === 'auth.rejected' && parts.badPackets()) {
    log.warn(
      { event: 'auth.rejected', link: record.link, reason: record.reason, count: record.count },
      `${String(record.count)} messages refused on ${record.link}: ${record.reason}`,
    )
  }
}
