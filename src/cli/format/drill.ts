// The table at the end of a drill.
import type { DrillResult, TryResult } from '../../measure/drill/drill.js'
import { faultNames } from '../../measure/drill/faults.js'
import { formatMs } from './measure.js'

export function formatDrill(result: DrillResult & { readonly samples: string }): string {
  const { tries, anomaly, interrupted, samples } = result
  const rows = faultNames.flatMap((fault) => {
    const own = tries.filter((one) => one.fault === fault)
    return own.length === 0 ? [] : [row(fault, own)]
  })
  return [
    ['fault', 'tries', 'outage median', 'worst', 'taken after', 'two owners'].map((word, at) => cell(word, at)).join(' '),
    ...rows,
    '',
    ...tries.filter((one) => one.anomaly !== null).map((one) => `! ${one.fault} ${one.number}, ${one.from} -> ${one.to ?? 'nobody'}`),
    anomaly !== null ? `STOPPED: ${anomaly}` : interrupted ? 'interrupted; everything was restored' : 'no anomaly',
    `samples: ${samples}`,
  ].join('\n')
}

const widths = [8, 6, 14, 10, 12, 11]
const cell = (text: string, at: number): string => (at === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[at] ?? 0))

function row(fault: string, tries: readonly TryResult[]): string {
  const outages = tries.map((one) => one.outageMs).sort((a, b) => a - b)
  const taken = tries.map((one) => one.takenAfterMs).filter((ms) => ms !== null).sort((a, b) => a - b)
  const median = (list: readonly number[]): number | undefined => list[Math.floor((list.length - 1) / 2)]
  const time = (ms: number | undefined): string => (ms === undefined ? '-' : formatMs(ms))
  const outage = (ms: number | undefined): string => (ms === 0 ? 'none' : time(ms))
  return [
    fault, String(tries.length), outage(median(outages)), outage(outages.at(-1)), time(median(taken)),
    time(Math.max(...tries.map((one) => one.twoOwnersMs))),
  ].map((text, at) => cell(text, at)).join(' ')
}
