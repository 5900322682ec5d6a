// What the spectator sees: a live block while the play runs (on a terminal), and the table at the end.

import type { Stage } from './stage.js'
import type { StepResult } from './steps.js'

export interface Screen {
  /** A line that stays. */
  say(text: string): void
  /** Begins redrawing the state of the stage below what was said. */
  follow(stage: Stage, act: () => string): void
  unfollow(): void
}

const REDRAW_MS = 150
const LIVE_LINES = 4

export function openScreen(out: NodeJS.WriteStream): Screen {
  const live = out.isTTY
  let drawn = 0
  let timer: NodeJS.Timeout | null = null
  let drawing = false
  const erase = (): void => {
    if (drawn > 0) out.write(`\u001b[${drawn}A\u001b[J`)
    drawn = 0
  }
  const draw = async (stage: Stage, act: () => string): Promise<void> => {
    if (drawing) return
    drawing = true
    try {
      const lines = await describe(stage, act())
      if (timer === null) return
      erase()
      const width = Math.max(20, (out.columns ?? 80) - 1)
      out.write(lines.map((line) => `${line.slice(0, width)}\n`).join(''))
      drawn = LIVE_LINES
    } finally {
      drawing = false
    }
  }
  return {
    say: (text) => {
      erase()
      out.write(`${text}\n`)
    },
    follow: (stage, act) => {
      if (live) timer = setInterval(() => void draw(stage, act), REDRAW_MS)
    },
    unfollow: () => {
      if (timer !== null) clearInterval(timer)
      timer = null
      erase()
    },
  }
}

async function describe(stage: Stage, act: string): Promise<string[]> {
  const owning = stage.owning()
  const actors = await Promise.all(stage.actors.map(async (actor) => {
    const peer = stage.other(actor).node.name
    const frozen = actor.plight === 'frozen'
    const holds = frozen ? null : await actor.daemon.holding()
    const sees = frozen ? null : await actor.daemon.statusOf(peer)
    const words = holds === null ? 'silent' : `holds ${holds}, sees ${peer} ${sees ?? 'never heard'}`
    const plight = actor.plight === '' ? '' : `  (${actor.plight})`
    return `  ${owning.includes(actor.node.name) ? '*' : ' '} ${actor.node.name.padEnd(8)} ${words}${plight}`
  }))
  const report = stage.client.report(0)
  const last = stage.client.lastAnswer()
  return [
    `> ${act}`, ...actors,
    `    client   ${report.asked} asked, ${report.lost} lost, last answer from ${last?.by ?? 'nobody yet'}`,
  ]
}

export function formatTable(results: readonly StepResult[]): string {
  const ms = (value: number | null): string => (value === null ? '-' : `${Math.round(value)} ms`)
  const rows = [
    ['fault', 'declared dead after', "client's next answer after", 'requests lost', 'one owner in the end'],
    ...results.map((r) => [
      r.step, ms(r.declaredDeadMs), ms(r.answeredAfterMs), String(r.requestsLost), r.owner ?? `NO: ${r.problem ?? ''}`,
    ]),
  ]
  const widths = rows[0]?.map((_cell, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()
  const [head, ...body] = rows.map(line)
  return [head, widths.map((width) => '-'.repeat(width)).join('  '), ...body].join('\n')
}
