// Values that must stand in no log, status or error: what a device is given it may print.

const mask = '********'
/** Masks each value, also in the spellings in which it travels in addresses and headers. */
export function redactor(values: readonly string[]): (text: string) => string {
  const spellings = values
    .filter((value) => value !== '')
    .flatMap((value) => [value, encodeURIComponent(value), Buffer.from(value, 'utf8').toString('base64')])
  // The longest first: one secret may be the beginning of another.
  const sorted = [...new Set(spellings)].sort((a, b) => b.length - a.length)
  return (text) => sorted.reduce((hidden, value) => hidden.replaceAll(value, mask), text)
}
