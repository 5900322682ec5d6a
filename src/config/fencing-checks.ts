// Rules about fencing as a whole: whether it protects what it is meant to protect.

import { nodeId, type NodeId } from '../core/base/ids.js'
import type { Reporter } from './diagnostics.js'
import { placeOf } from './directive-reader.js'
import { canReach } from './fencing.js'
import type { HaCf } from './ha-cf.js'
import type { FencingSettings, GroupConfig, TwinbeatSettings } from './model.js'
import type { TwinbeatCf } from './twinbeat-cf.js'

export interface FencingCheck {
  readonly cf: HaCf
  readonly twinbeat: TwinbeatCf
  readonly settings: TwinbeatSettings
  readonly fencing: FencingSettings
  readonly self: NodeId | string
  readonly nodes: readonly NodeId[]
  readonly report: Reporter
  readonly haCfReport: Reporter
}

/** ha.cf asks for fencing, and twinbeat.cf does not say otherwise. */
export function withImpliedFencing(settings: TwinbeatSettings, stonithLines: number): TwinbeatSettings {
  return settings.splitBrainImplied && stonithLines > 0 ? { ...settings, splitBrain: 'fence' } : settings
}

export function checkFencing(check: FencingCheck): void {
  const { settings, fencing, nodes, report } = check
  const peers = nodes.filter((node) => node !== check.self)
  checkDevices(check)
  checkStopFailure(check)
  if (settings.splitBrain !== 'fence') return
  const place = placeOf(check.twinbeat.options, 'split_brain')
  for (const peer of peers) {
    const reaching = fencing.devices.filter((device) => canReach(device, peer))
    if (reaching.length === 0) {
      report.error('TB_CONFIG_FENCE', place, `'split_brain fence' and no device that can switch ${peer} off`,
        `write 'fence_device NAME type=TYPE targets=${peer} ...'`)
    } else if (reaching.every((device) => device.type === 'null' || device.type === 'stonith/null')) {
      report.warning('TB_CONFIG_FENCE', place, `only 'null' fences ${peer}: it pretends, and both nodes can hold a group`,
        'for tests only')
    }
  }
  const { delays, randomDelayUs, priorityDelayUs } = fencing
  if (peers.length > 0 && delays.length === 0 && randomDelayUs === 0 && priorityDelayUs === 0) {
    report.warning('TB_CONFIG_FENCE', place, 'no fence_delay: when only the links fail, both nodes shoot each other',
      `write 'fence_delay ${nodes[0] ?? 'NODE'} 5s' on both nodes: that node survives`)
  }
}

/** The peer does it, by its own file: where both nodes use one file, this one shows whether it can. */
function checkStopFailure({ settings, fencing, self, twinbeat, report }: FencingCheck): void {
  if (settings.stopFailure !== 'fence') return
  if (fencing.devices.some((device) => canReach(device, nodeId(self)))) return
  const place = placeOf(twinbeat.options, 'stop_failure')
  report.error('TB_CONFIG_FENCE', place, "'stop_failure fence' and no device that can switch this node off",
    'name it in targets of a fence_device, in the same file on both nodes')
}

function checkDevices({ settings, fencing, report, haCfReport, cf, twinbeat }: FencingCheck): void {
  for (const { type, at } of fencing.devices) {
    if (type !== 'ssh' && type !== 'stonith/ssh' && type !== 'external/ssh') continue
    const own = at.file.endsWith('twinbeat.cf') ? report : haCfReport
    own.warning('TB_CONFIG_FENCE', at, `'${type}' asks the node itself: one that hangs or is cut off cannot be asked`, 'for tests only')
  }
  if (settings.splitBrain !== 'accept' || fencing.devices.length === 0) return
  const stonith = [...cf.linesOf('stonith'), ...cf.linesOf('stonith_host')][0]
  const written = placeOf(twinbeat.options, 'split_brain')
  if (stonith !== undefined) {
    haCfReport.error('TB_CONFIG_SPLIT_BRAIN', stonith.keyword, "ha.cf asks for fencing, 'split_brain accept' forbids it",
      'remove one of them')
  } else {
    report.warning('TB_CONFIG_FENCE', written ?? fencing.devices[0]?.at ?? null,
      "fence devices are there, and nothing waits for them: 'split_brain accept'",
      "write 'split_brain fence'")
  }
}

/** After the groups are known. */
export function checkWeights(fencing: FencingSettings, groups: readonly GroupConfig[], report: Reporter): void {
  for (const { group, at } of fencing.weights) {
    if (groups.some(({ key }) => key === group)) continue
    report.error('TB_CONFIG_FENCE', at, `there is no group '${group}'`, 'the key of a group is the first resource of its line')
  }
  if (fencing.weights.length > 0 && fencing.priorityDelayUs === 0) {
    report.warning('TB_CONFIG_FENCE', fencing.weights[0]?.at ?? null, "fence_weight without 'fence_delay priority' changes nothing", null)
  }
}
