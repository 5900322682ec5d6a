// `explain GROUP`: why a group is where it is, from the core's own account of it.
import type { Authority, GroupSnapshot } from '../../core/types.js'

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

export function formatExplanation(group: GroupSnapshot): string {
  const lines = [
    `${group.id}: ${group.state} here, held by ${group.holder ?? 'nobody that is known'}, home ${group.home}`,
    `  last change   ${group.reason}`,
    `  taken because ${group.authority === null ? '- (not held here)' : because(group.authority)}`,
    `  a take now    ${'withheld' in group.takeNow ? `withheld: ${group.takeNow.withheld}` : `allowed: ${because(group.takeNow)}`}`,
    `  in the way    ${group.obstacles.length === 0 ? 'nothing' : group.obstacles.join(', ')}`,
  ]
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
