// Asks every fence device whether it reaches the node that it is for, as the daemon does all the time.
import type { ProbeLine } from '../../arbiter/arbiter.js'
import type { ClusterConfig } from '../../config/model.js'
import { canReach } from '../../config/fencing.js'
import { Fencer } from '../../fence/fencer.js'
import { defaultPlaces } from '../../fence/types.js'
import { programStarter } from '../../lrm/program.js'
import { spawner } from '../../system/spawner.js'

export async function probeFencing(config: ClusterConfig): Promise<readonly ProbeLine[]> {
  const fencer = new Fencer(programStarter(spawner), defaultPlaces)
  fencer.configure(config.fencing.devices)
  const peers = config.nodes.filter((node) => node !== config.self)
  const asked = config.fencing.devices.flatMap((device) => peers.filter((peer) => canReach(device, peer)).map((peer) => ({ device, peer })))
  return await Promise.all(asked.map(async ({ device, peer }) => {
    const { name, type, timeoutUs } = device
    const answer = await fencer.order({ device: name, action: 'status', target: peer, timeoutMs: timeoutUs / 1000 })
    const ok = answer.outcome === 'confirmed'
    return { ok, text: `${name} (${type}): ${ok ? 'reaches' : 'cannot reach'} ${peer}: ${answer.text}` }
  }))
}
