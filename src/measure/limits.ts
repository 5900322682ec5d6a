// What the kernel allows real-time threads, as far as it bounds how fast a heartbeat can be.
import { readFileSync } from 'node:fs'

export interface KernelLimits {
  /** Of `rtPeriodUs`; -1: no bound; null: cannot be read. */
  readonly rtRuntimeUs: number | null
  readonly rtPeriodUs: number | null
  /** RLIMIT_RTTIME of the process; null: unlimited, or cannot be read. */
  readonly rtTimeUs: number | null
}

export function kernelLimits(pid: number): KernelLimits {
  const limits = read(`/proc/${pid}/limits`)
  const rtTime = limits === null ? null : /^Max realtime timeout\s+(\S+)/m.exec(limits)?.[1] ?? null
  return {
    rtRuntimeUs: numberIn('/proc/sys/kernel/sched_rt_runtime_us'),
    rtPeriodUs: numberIn('/proc/sys/kernel/sched_rt_period_us'),
    rtTimeUs: rtTime === null || rtTime === 'unlimited' ? null : Number(rtTime),
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

function numberIn(path: string): number | null {
  const text = read(path)?.trim() ?? ''
  return /^-?\d+$/.test(text) ? Number(text) : null
}
