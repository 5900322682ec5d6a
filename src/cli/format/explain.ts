// `explain GROUP`: why a group is where it is, from the core's own account of it.
import type { Authority, GroupSnapshot, LeaseSnapshot } from '../../core/types.js'

/** An authority as a sentence; the reasons that are codes stay codes, so that they can be looked up. */
function because(authority: Authority): string {
  switch (authority.kind) {
    case 'agreed':
      return `${authority.peer} said that it does not hold the group and will not take it`
    case 'held':
      return 'it was held already (repair, or kept over a restart)'
    case 'handover':
      return `the peer handed it over, exchange ${authority.exchange}`
    case 'accept':
      return authority.peer === null
        ? 'there is no other node'
        : `${authority.peer} was judged dead; split_brain accept`
    case 'fence':
      return `a device confirmed that ${authority.peer} is off`
    case 'lease':
      return `the arbiter granted it, token ${authority.token}`
    case 'gasp':
      return `${authority.peer} let go with its last words`
    case 'operator':
      return `an operator ordered it, request ${authority.request}`
  }
}

const leaseStates: Readonly<Record<LeaseSnapshot['state'], string>> = {
  idle: 'not owned here and not asked for',
  asking: 'asked for',
  unsure: 'asked for, and the answer was lost: cleared before anything else',
  confirming: 'the arbiter is asked whether it is still ours from before the restart',
  owned: 'ours',
  lapsed: 'not ours any more; the group is being stopped',
  clearing: 'given back',
}

function leaseText(lease: LeaseSnapshot): string {
  const parts: string[] = [leaseStates[lease.state]]
  if (lease.token !== null) parts.push(`token ${lease.token}`)
  if (lease.byPromise) parts.push("held by the peer's promise while the arbiter is silent")
  if (lease.boundUntil !== null) parts.push('this node is bound not to take it yet')
  if (lease.problem !== null) parts.push(`last words of the arbiter: ${lease.problem}`)
  return parts.join('; ')
}

export function formatExplanation(group: GroupSnapshot): string {
  const lines = [
    `${group.id}: ${group.state} here, held by ${group.holder ?? 'nobody that is known'}, home ${group.home}`,
    `  last change   ${group.reason}`,
    `  taken because ${group.authority === null ? '- (not held here)' : because(group.authority)}`,
    `  a take now    ${'withheld' in group.takeNow ? `withheld: ${group.takeNow.withheld}` : `allowed: ${because(group.takeNow)}`}`,
    `  in the way    ${group.obstacles.length === 0 ? 'nothing' : group.obstacles.join(', ')}`,
  ]
  if (group.lease !== null) lines.push(`  lease         ${leaseText(group.lease)}`)
  if (group.exchange !== null) {
    lines.push(`  hand-over     ${group.exchange.id}: ${group.exchange.role}, ${group.exchange.state}`)
  }
  for (const member of group.members) {
    const busy = member.action === null ? '' : `, ${member.action} is running`
    const words = member.text === '' ? '' : `: ${member.text}`
    lines.push(`  ${member.id}  ${member.state}${busy}${words}`)
  }
  return lines.join('\n')
}
