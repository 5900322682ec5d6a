// From what became of a process to what is known of the resource.

import { agentClass } from './registry.js'
import type { RunOutcome } from './runner.js'
import { maskText } from './secrets.js'
import type { AgentAction, AgentResult, AgentTarget, Judgement, RawOutcome } from './types.js'

export interface ResultFrame {
  readonly resource: AgentTarget
  readonly action: AgentAction
  readonly timeoutMs: number
  readonly queuedMs: number
  readonly durationMs: number
}

const NOTHING: RawOutcome = { exitCode: null, signal: null, stdout: '', stderr: '' }

export function resultOf(frame: ResultFrame, outcome: RunOutcome): AgentResult {
  switch (outcome.kind) {
    case 'exited':
      return build(frame, judgeExit(frame, outcome.raw), outcome.raw)
    case 'timeout': {
      const reason = `${frame.action} gave no result within ${frame.timeoutMs} ms and was ended`
      return failure(frame, 'timeout', reason, outcome.raw)
    }
    case 'aborted':
      return failure(frame, 'cancelled', `${frame.action} was ended on request`, outcome.raw)
    case 'unstartable':
      return failure(frame, outcome.missing ? 'not-installed' : 'error', outcome.reason)
  }
}

function judgeExit(frame: ResultFrame, raw: RawOutcome): Judgement {
  const judgement = agentClass(frame.resource.class).interpret(frame.action, raw)
  if (raw.signal === null) return judgement
  // An agent that died in the middle says nothing about its resource, whatever it had printed.
  const reason = `${frame.action} was killed by ${raw.signal}`
  return { ...judgement, ok: false, state: 'unknown', degraded: false, reason }
}

export function failure(
  frame: ResultFrame,
  execution: AgentResult['execution'],
  reason: string,
  raw: RawOutcome = NOTHING,
): AgentResult {
  const judgement = { ok: false, state: 'unknown', degraded: false, reason } as const
  return { ...build(frame, { ...judgement, execution: 'error' }, raw), execution }
}

function build(frame: ResultFrame, judgement: Judgement, raw: RawOutcome): AgentResult {
  const mask = (text: string): string => maskText(text, frame.resource.parameters)
  return {
    resource: frame.resource.id,
    action: frame.action,
    execution: judgement.execution,
    ok: judgement.ok,
    state: judgement.state,
    degraded: judgement.degraded,
    exitCode: raw.exitCode,
    signal: raw.signal,
    reason: judgement.reason === null ? null : mask(judgement.reason),
    stdout: mask(raw.stdout),
    stderr: mask(raw.stderr),
    queuedMs: frame.queuedMs,
    durationMs: frame.durationMs,
  }
}

/** Equal for the purpose of a recurring monitor: what it says did not change. */
export function sameAnswer(a: AgentResult, b: AgentResult): boolean {
  return (
    a.execution === b.execution &&
    a.state === b.state &&
    a.exitCode === b.exitCode &&
    a.degraded === b.degraded
  )
}
