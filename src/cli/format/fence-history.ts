// The history of fencing for a terminal: newest last, as a log.
import type { FenceHistoryEntry } from '../../control/report.js'

export function formatFenceHistory(entries: readonly FenceHistoryEntry[]): string {
  if (entries.length === 0) return 'nothing was fenced from this node'
  return entries.map((entry) => {
    const what = entry.action === 'confirm' ? `${entry.target} confirmed off by hand` : `${entry.action} ${entry.target}: ${entry.outcome}`
    const by = entry.devices === '' ? '' : ` by ${entry.devices}`
    const why = entry.reason === '' ? '' : `; ${entry.reason}`
    const text = entry.text === '' || entry.action === 'confirm' ? '' : `\n    ${entry.text}`
    return `${entry.at}  ${what}${by}, ${(entry.tookMs / 1000).toFixed(1)} s, ordered by ${entry.by}${why}${text}`
  }).join('\n')
}
