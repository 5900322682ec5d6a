import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { ClusterConfig } from '../../src/config/model.js'
import { permissionOf } from '../../src/daemon/permissions.js'

const accounts = {
  passwd: 'root:x:0:0::/:/bin/sh\nops:x:1000:1000::/:/bin/sh\nguest:x:1001:1001::/:/bin/sh\nhacluster:x:90:90::/:/bin/sh\n',
  group: 'root:x:0:\nhaclient:x:90:guest\nops:x:1000:\n',
}
const config = {
  apiauth: [{ client: 'twinbeat', uids: ['ops', '4242'], gids: [] }],
  twinbeat: { controlGroup: 'haclient' },
} as unknown as ClusterConfig

for (const [who, uid, gid, permission] of [
  ['root', 0, 0, 'write'],
  ['a user named in apiauth', 1000, 1000, 'write'],
  ['a uid named in apiauth without an account', 4242, 4242, 'write'],
  ['a member of the control group', 1001, 1001, 'read'],
  ['a user whose own group is the control group', 90, 90, 'read'],
  ['anybody else', 1002, 1002, 'none'],
  ['a uid beyond every account', 999_999, 999_999, 'none'],
] as const) {
  it(`${who} may ${permission}`, () => {
    assert.equal(permissionOf(uid, gid, config, accounts), permission)
  })
}

it('damaged account files give nobody anything but root', () => {
  const broken = { passwd: ':::\n\n:x::', group: 'haclient:x::\n' }
  assert.equal(permissionOf(0, 0, config, broken), 'write')
  assert.equal(permissionOf(5, 0, config, broken), 'none')
})
