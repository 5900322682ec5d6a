// What the guardian is told to end, and when its word about that would count.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId } from '../../src/core/base/ids.js'
import { GuardianKills, type KillParts } from '../../src/daemon/guardian-kills.js'

type Snapshot = ReturnType<KillParts['core']>
type Config = ReturnType<KillParts['config']>

function scene(): { kills: GuardianKills; populated: Set<string>; obstacles: string[]; action: { now: 'monitor' | null }
  problem: { text: string | null }; warned: string[]; killed: string[] } {
  const populated = new Set(['web httpd', 'web cache'])
  const obstacles: string[] = []
  const action: { now: 'monitor' | null } = { now: null }
  const problem: { text: string | null } = { text: null }
  const warned: string[] = []
  const killed = ['web']
  const config = { twinbeat: { guardianKill: killed }, groups: [{ key: groupId('web') }, { key: groupId('db') }] }
  const kills = new GuardianKills({
    config: () => config as unknown as Config,
    core: () => ({ groups: [{
      id: groupId('web'), state: 'held', obstacles, members: [{ state: 'running', action: action.now }],
    }] }) as unknown as Snapshot,
    cgroups: {
      folderOf: (group, resource) => (problem.text === null ? ['/groups', group, ...[resource ?? []].flat()].join('/') : null),
      populated: (group, resource) => populated.has(`${group} ${resource ?? ''}`),
      get problem() { return problem.text },
    },
    members: () => ({ resourcesOf: () => ['httpd', 'cache'], groupOfResource: (id) => (id === 'other' ? null : 'web') }),
    onWarning: ({ event, group }) => { warned.push(`${event} ${group}`) },
  })
  return { kills, populated, obstacles, action, problem, warned, killed }
}

test('only groups that the configuration names, and none that an operator holds', () => {
  const { kills, obstacles, killed } = scene()
  assert.deepEqual([...kills.targets()], [['web', '/groups/web']])
  obstacles.push('interface-down')
  assert.equal(kills.targets().size, 1)
  obstacles.push('on-hold')
  assert.equal(kills.targets().size, 0)
  obstacles.splice(0, 2, 'maintenance')
  assert.equal(kills.targets().size, 0)
  obstacles.pop()
  killed.pop()
  assert.equal(kills.targets().size, 0)
})

test('a group of which one service runs elsewhere is not confined, which is said once while it rests', () => {
  const { kills, populated, action, warned } = scene()
  assert.ok(kills.confined('web'))
  assert.deepEqual(kills.problems(), [])
  populated.delete('web cache')
  assert.ok(!kills.confined('web'))
  action.now = 'monitor'
  kills.targets()
  assert.deepEqual(warned, [])
  action.now = null
  kills.targets()
  kills.targets()
  assert.deepEqual(warned, ['guardian.unconfined web'])
  assert.equal(kills.problems().length, 1)
  populated.add('web cache')
  kills.targets()
  populated.delete('web cache')
  kills.targets()
  assert.equal(warned.length, 2)
})

test('what a start leaves has a place of its own, everything else that of the group', () => {
  const { kills } = scene()
  assert.equal(kills.folderOf('httpd', 'start'), '/groups/web/httpd')
  assert.equal(kills.folderOf('httpd', 'stop'), '/groups/web')
  assert.equal(kills.folderOf('other', 'monitor'), '/groups/other')
})

test('where there are no control groups, nothing is told and status says so', () => {
  const { kills, problem } = scene()
  problem.text = 'none are mounted'
  assert.equal(kills.targets().size, 0)
  assert.deepEqual(kills.problems(), ['guardian_kill has no effect: none are mounted'])
})
