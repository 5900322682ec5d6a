// A process in uninterruptible sleep, made for real: it writes to a frozen file system.

import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { Workshop, gist, until } from './fixture.js'

interface FrozenDisk {
  readonly file: string
  thaw(): void
}

/** A loop mount in a mount namespace of its own; null where there are no loop devices. */
async function freezeDisk(t: TestContext, shop: Workshop): Promise<FrozenDisk | null> {
  const image = shop.path('disk.img')
  writeFileSync(image, '')
  const script = `mount --make-rprivate / && truncate -s 4M ${image} && mkfs.ext4 -q ${image} &&
    mkdir -p ${shop.path('mnt')} && mount -o loop ${image} ${shop.path('mnt')} &&
    : > ${shop.path('mnt')}/file &&
    echo ready > ${shop.path('ready')} && exec sleep 60`
  const holder: ChildProcess = spawn('unshare', ['-m', 'sh', '-c', script], { stdio: 'ignore' })
  let ended = false
  holder.once('exit', () => (ended = true))
  await until('the disk is mounted', () => ended || existsSync(shop.path('ready')))
  const root = `/proc/${holder.pid}/root${shop.path('mnt')}`
  const inside = (...args: string[]): number | null =>
    spawnSync('nsenter', ['-t', String(holder.pid), '-m', ...args], { stdio: 'ignore' }).status
  const thaw = (): void => void inside('fsfreeze', '-u', shop.path('mnt'))
  t.after(() => {
    if (ended) return
    thaw()
    inside('umount', '-l', shop.path('mnt'))
    holder.kill('SIGKILL')
  })
  if (ended || inside('fsfreeze', '-f', shop.path('mnt')) !== 0) return null
  return { file: `${root}/file`, thaw }
}

test('an agent that SIGKILL does not end blocks its resource, with its name and state', async (t) => {
  const shop = new Workshop(t)
  const disk = process.getuid?.() === 0 ? await freezeDisk(t, shop) : null
  if (disk === null) {
    t.skip('needs root and loop devices')
    return
  }
  const lrm = shop.lrm()
  const resource = shop.agent('ocf', 'umount', `[ $1 = monitor ] && exit 7; echo x > ${disk.file}`)
  const start = await lrm.run({ resource, action: 'start', timeoutMs: 200 })
  assert.equal(gist(start), 'timeout bad unknown -')
  const refused = await lrm.run({ resource, action: 'stop', timeoutMs: 200 })
  assert.equal(gist(refused), 'error bad unknown -')
  assert.match(refused.reason ?? '', /cannot be killed: umount \(pid \d+, state D\)/)
  assert.match(lrm.describe().resources[0]?.stuck ?? '', /state D/)
  disk.thaw()
  await until('it went', () => lrm.describe().resources[0]?.stuck === null)
  assert.equal(
    gist(await lrm.run({ resource, action: 'probe', timeoutMs: 2000 })),
    'done ok stopped 7',
  )
})
