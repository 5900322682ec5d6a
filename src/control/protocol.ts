// The control socket's language: one JSON object a line, both ways.
//   request   {"id": 1, "verb": "standby", "args": {"what": "all"}}
//   progress  {"id": 1, "progress": "offering web to beta"}          any number
//   answer    {"id": 1, "ok": true, "result": {...}} | {"id": 1, "ok": false, "error": {"code", "message", "hint"}}

export const controlSocketName = 'control'
export const controlLineMaxBytes = 64 * 1024
/** Answers may be longer: a status of many groups is one line. */
export const controlReplyMaxBytes = 8 * 1024 * 1024

export interface ControlRequest {
  readonly id: number
  readonly verb: string
  readonly args: Readonly<Record<string, unknown>>
}

export interface ControlError {
  readonly code: string
  readonly message: string
  readonly hint: string
}

export type ControlReply =
  | { readonly id: number; readonly progress: string }
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: ControlError }

/** A request, or the reason why the line is none. */
export function parseRequest(line: string): ControlRequest | string {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return 'not a JSON object'
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not a JSON object'
  const { id, verb, args } = value as Record<string, unknown>
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) return "'id' must be a whole number"
  if (typeof verb !== 'string' || !/^[a-z][a-z-]{0,31}$/.test(verb)) return "'verb' must be a word"
  if (args !== undefined && (typeof args !== 'object' || args === null || Array.isArray(args))) {
    return "'args' must be an object"
  }
  return { id, verb, args: (args ?? {}) as Record<string, unknown> }
}

/** Splits a byte stream into lines; a line over the limit is reported once as null and skipped. */
export class LineSplitter {
  #pending: Buffer[] = []
  #pendingBytes = 0
  #skipping = false
  readonly #maxBytes: number

  constructor(maxBytes = controlLineMaxBytes) {
    this.#maxBytes = maxBytes
  }

  push(chunk: Buffer): (string | null)[] {
    const lines: (string | null)[] = []
    let start = 0
    for (;;) {
      const end = chunk.indexOf(0x0a, start)
      const piece = chunk.subarray(start, end < 0 ? chunk.length : end)
      if (!this.#skipping) {
        this.#pending.push(piece)
        this.#pendingBytes += piece.length
        if (this.#pendingBytes > this.#maxBytes) {
          this.#pending = []
          this.#pendingBytes = 0
          this.#skipping = true
          lines.push(null)
        }
      }
      if (end < 0) return lines
      if (!this.#skipping) lines.push(Buffer.concat(this.#pending).toString('utf8'))
      this.#pending = []
      this.#pendingBytes = 0
      this.#skipping = false
      start = end + 1
    }
  }
}
