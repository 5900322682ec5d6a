// Groups whose services end with the daemon: which control groups the guardian is told to end, and when its word that
// they have ended may be believed. Services leave the reach of a control group when somebody else runs them (a service
// manager, a container engine) or when they are no processes at all; so last words are only allowed while what the
// start of every service of the group left is seen to run in that service's own control group.
import type { GroupId } from '../core/base/ids.js'
import type { CoreSnapshot } from '../core/types.js'
import type { ClusterConfig } from '../config/model.js'
import type { Cgroups } from '../lrm/cgroups.js'
import type { AgentAction } from '../lrm/types.js'

export interface KillParts {
  readonly config: () => ClusterConfig
  readonly core: () => CoreSnapshot
  readonly cgroups: Pick<Cgroups, 'folderOf' | 'populated' | 'problem'>
  readonly members: () => {
    groupOfResource(id: string): string | null
    /** What of the group the resource manager runs. */
    resourcesOf(group: string): readonly string[]
  }
  readonly onWarning: (event: { readonly event: string; readonly group: string }, text: string) => void
}

const isHold = (obstacle: string): boolean => obstacle === 'on-hold' || obstacle === 'maintenance'

export class GuardianKills {
  readonly #warned = new Set<string>()

  constructor(private readonly parts: KillParts) {}

  has(group: string): boolean {
    return this.parts.config().twinbeat.guardianKill.includes(group)
  }

  /** Folder of each group that the guardian ends; one on hold is nobody's to touch. */
  targets(): ReadonlyMap<string, string> {
    this.#look()
    const { config, core, cgroups } = this.parts
    if (config().twinbeat.guardianKill.length === 0) return new Map()
    const held = new Set<GroupId>(core().groups.filter(({ obstacles }) => obstacles.some(isHold)).map((group) => group.id))
    const folders = config().groups.filter(({ key }) => this.has(key) && !held.has(key))
      .map(({ key }) => [key, cgroups.folderOf(key)] as const)
    return new Map(folders.flatMap(([key, folder]) => (folder === null ? [] : [[key, folder] as const])))
  }

  /** Where an action of a resource runs; what its start leaves can be told from everything else. */
  folderOf(resource: string, action: AgentAction): string | null {
    const group = this.parts.members().groupOfResource(resource) ?? resource
    return this.parts.cgroups.folderOf(group, action === 'start' ? resource : null)
  }

  /** Looked up at the moment at which nothing of the group is being started or stopped. */
  confined(group: string): boolean {
    return this.parts.members().resourcesOf(group).every((resource) => this.parts.cgroups.populated(group, resource))
  }

  /** Said once until it is true again. */
  #look(): void {
    const { core, onWarning } = this.parts
    for (const group of core().groups) {
      const outside = this.#outside(group)
      if (outside === null) this.#warned.delete(group.id)
      if (outside === null || this.#warned.has(group.id)) continue
      this.#warned.add(group.id)
      onWarning({ event: 'guardian.unconfined', group: group.id }, outside)
    }
  }

  problems(): string[] {
    const { config, core, cgroups } = this.parts
    if (cgroups.problem !== null && config().twinbeat.guardianKill.length > 0) return [`guardian_kill has no effect: ${cgroups.problem}`]
    return core().groups.flatMap((group) => this.#outside(group) ?? [])
  }

  #outside(group: CoreSnapshot['groups'][number]): string | null {
    const { cgroups } = this.parts
    const rests = group.state === 'held' && group.members.every(({ state, action }) => state === 'running' && action === null)
    if (!rests || !this.has(group.id) || cgroups.problem !== null || this.confined(group.id)) return null
    return `${group.id}: its services do not all run in their control groups: the guardian has no last words for it`
  }
}
