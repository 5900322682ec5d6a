export const disturbances = ['blocked', 'churn', 'spawns', 'burst', 'hung'] as const
export type Disturbance = (typeof disturbances)[number]

export const disturbanceTexts: Readonly<Record<Disturbance, string>> = {
  blocked: 'JavaScript blocked for 1 s of every 2.5 s',
  churn: 'two million objects a second',
  spawns: '50 agents a second',
  burst: '100 MB written every 5 s',
  hung: 'nobody takes what is logged',
}

export function disturbedEnvironment(kind: Disturbance): Record<string, string> {
  const script = new URL('./disturb.js', import.meta.url)
  return { NODE_OPTIONS: `--import ${script.href}`, TWINBEAT_BENCH_DISTURB: kind, TMPDIR: '/run' }
}

