// Carries out what the core orders of fence devices, and keeps the history with the time of day.
import type { FencingSettings } from '../../config/model.js'
import type { FenceRecordEffect, FenceRunEffect } from '../../core/effects.js'
import type { FenceResultEvent } from '../../core/events.js'
import type { FenceHistoryEntry } from '../../control/report.js'
import { Fencer } from '../../fence/fencer.js'
import { defaultPlaces } from '../../fence/types.js'
import { programStarter } from '../../lrm/program.js'
import type { StateStore } from '../../store/state-store.js'
import { spawner } from '../../system/spawner.js'

const historyKey = 'fence-history'
/** A bad night has a few dozen; a page of status shows fewer. */
const entriesMax = 50
/** A device's last words, with room for the rest of the entry below the limit of one stored fact. */
const textMax = 300

export class FenceRunner {
  readonly #fencer = new Fencer(programStarter(spawner), defaultPlaces)
  #entries: FenceHistoryEntry[] = []

  constructor(private readonly facts: Pick<StateStore, 'store'>, private readonly wallClock: () => Date = () => new Date()) {}

  configure(settings: FencingSettings): void {
    this.#fencer.configure(settings.devices)
  }

  /** What an earlier life wrote down; damaged means none. */
  remember(persisted: Readonly<Record<string, string>>): void {
    const text = persisted[historyKey]
    try {
      const entries: unknown = text === undefined ? [] : JSON.parse(text)
      if (Array.isArray(entries)) this.#entries = entries.filter(isEntry).slice(-entriesMax)
    } catch {
      this.#entries = []
    }
  }

  get history(): readonly FenceHistoryEntry[] {
    return this.#entries
  }

  async run({ device, action, target, timeoutUs }: FenceRunEffect): Promise<Pick<FenceResultEvent, 'outcome' | 'text'>> {
    return await this.#fencer.order({ device, action, target, timeoutMs: timeoutUs / 1000 })
  }

  /** Settles when it is on the disk. */
  async record({ target, action, outcome, devices, by, reason, text, tookUs }: FenceRecordEffect): Promise<void> {
    const entry = {
      at: this.wallClock().toISOString(), target, action, outcome, devices, by, reason,
      text: text.slice(0, textMax), tookMs: Math.round(tookUs / 1000),
    }
    this.#entries = [...this.#entries, entry].slice(-entriesMax)
    await this.facts.store(historyKey, JSON.stringify(this.#entries))
  }
}

function isEntry(value: unknown): value is FenceHistoryEntry {
  if (typeof value !== 'object' || value === null) return false
  const entry = value as Record<string, unknown>
  const texts = ['at', 'target', 'action', 'outcome', 'devices', 'by', 'reason', 'text']
  return texts.every((key) => typeof entry[key] === 'string') && typeof entry['tookMs'] === 'number'
}
