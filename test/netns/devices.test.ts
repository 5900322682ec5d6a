// Devices that stop answering while the daemon uses them: disks that hang, a serial line that is pulled. The
// heartbeats are never late for it, each is told in one line, and everything goes on when they are back.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { labObstacle } from '../../lab/lab.js'
import { exited, run, spawnChild, until, within } from '../../lab/processes.js'
import { withOne, withPair, type Machine } from './failures-support.js'

const obstacle = await labObstacle()
const suite = { concurrency: 5, skip: obstacle ?? false, timeout: 120_000 }
const noFreezing = obstacle ?? (await freezeObstacle())

/** A file system of its own on a loop device, which can be frozen: what writes to it then waits in the kernel. */
async function freezeObstacle(): Promise<string | null> {
  const made = await run(['sh', '-c', 'd=$(mktemp -d) && truncate -s 16M $d/i && mkfs.ext4 -q $d/i && ' +
    'unshare -m sh -c "mount -o loop $d/i $d" && command -v fsfreeze; rc=$?; rm -rf $d; exit $rc'])
  return made.rc === 0 ? null : `no file system can be mounted from a loop device and frozen here: ${made.err.trim()}`
}

const diskPath = '/run/disk'

class Disk {
  #freezer: ChildProcess | null = null

  constructor(private readonly machine: Machine) {}

  async mount(): Promise<void> {
    const image = join(this.machine.node.dir, 'disk.img')
    const made = await this.machine.node.exec(['sh', '-c', `truncate -s 16M ${image} && mkfs.ext4 -q ${image} && ` +
      `mkdir ${diskPath} && mount -o loop ${image} ${diskPath}`])
    assert.equal(made.rc, 0, made.err)
  }

  /** Thawed by the end of standard input, so also by the end of this process: nothing stays frozen for ever. */
  async freeze(): Promise<void> {
    const script = `fsfreeze -f ${diskPath} && echo frozen && read -r _; fsfreeze -u ${diskPath}`
    const enter = ['nsenter', '-t', String(this.machine.node.pid), '-m', '--']
    const freezer = spawnChild([...enter, 'sh', '-c', script], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#freezer = freezer
    await within(new Promise((resolve) => { freezer.stdout?.once('data', resolve) }), 10_000, 'freezing a disk')
  }

  async thaw(): Promise<void> {
    const freezer = this.#freezer
    this.#freezer = null
    if (freezer === null) return
    freezer.stdin?.end()
    await within(exited(freezer), 10_000, 'thawing a disk')
  }
}

/** The work with the disks, which end thawed whatever happens: what waits for a frozen one cannot even be killed. */
async function withDisks(machines: readonly Machine[], work: (...disks: Disk[]) => Promise<void>): Promise<void> {
  const disks = machines.map((machine) => new Disk(machine))
  try {
    for (const disk of disks) await disk.mount()
    await work(...disks)
  } finally {
    await Promise.all(disks.map((disk) => disk.thaw()))
  }
}

async function startBoth(a: Machine, b: Machine, stateDir?: string): Promise<void> {
  await Promise.all([a.start(stateDir === undefined ? {} : { stateDir }), b.start()])
  await a.holds()
  for (const machine of [a, b]) {
    await machine.when('hears both nodes', ({ nodes }) => nodes.every((node) => node.status === 'active'))
  }
}

function assertNeverLate(...machines: Machine[]): void {
  for (const machine of machines) assert.doesNotMatch(machine.log(), /peer\.(late|dead)/)
}

describe('disks that hang', { ...suite, skip: noFreezing ?? false }, () => {
  it('a state folder that hangs: no hand-over until it answers, and the heartbeats go on', async () => {
    await withPair('state-hangs', async (a, b) => {
      for (const machine of [a, b]) machine.write({})
      await withDisks([a], async (disk) => {
        await startBoth(a, b, `${diskPath}/state`)
        await disk?.freeze()
        const refused = await a.tool('standby', '--timeout', '15s')
        assert.notEqual(refused.rc, 0)
        await a.line(/ERROR: state\.unwritable: cannot store 'handover:.*the disk did not answer within 5 s/)
        assert.match(await a.warnings(), /the state folder '\/run\/disk\/state' hangs .*no group is handed over/)
        assert.equal((await a.group())?.state, 'held')
        assert.equal(await b.hasAddress(), false)
        await disk?.thaw()
        assert.ok(await until(() => a.log().includes('state.writable'), 5000), a.log())
        const done = await a.tool('standby', '--timeout', '20s')
        assert.equal(done.rc, 0, done.err)
        await b.holds()
        assertNeverLate(a, b)
      })
    })
  })

  it('a log disk that hangs delays neither a hand-over nor a takeover, and gets its lines later', async () => {
    await withPair('log-frozen', async (a, b) => {
      a.write({})
      b.write({ logfile: `${diskPath}/ha-log` })
      await withDisks([b], async (disk) => {
        await startBoth(a, b)
        await disk?.freeze()
        const beganAt = performance.now()
        const done = await a.tool('standby', '--timeout', '10s')
        assert.equal(done.rc, 0, done.err)
        await b.holds()
        assert.ok(performance.now() - beganAt < 5000)
        await b.when('says that its log hangs', ({ warnings }) =>
          warnings.some((text) => text.includes("'/run/disk/ha-log' hangs: the disk does not answer")), 10_000)
        assertNeverLate(a)
        await disk?.thaw()
        const written = async (): Promise<string> => (await b.node.exec(['cat', `${diskPath}/ha-log`])).out
        assert.ok(await until(async () => /group\.held/.test(await written()), 5000, 100), await written())
        assert.doesNotMatch(await written(), /peer\.(late|dead)/)
      })
    })
  })

  it('a start on a state folder that hangs is refused with one line', async () => {
    await withOne('start-hangs', async (one) => {
      one.write({})
      await withDisks([one], async (disk) => {
        await disk?.freeze()
        const said = await one.refused(2, { stateDir: `${diskPath}/state` })
        assert.match(said, /TB_STATE_WRITE: the disk below '\/run\/disk'.* did not answer within 10 s/)
      })
    })
  })
})

describe('a serial line that is pulled', suite, () => {
  it('the other link goes on, one line tells it, and the line is used again when it is back', async () => {
    await withPair('serial-pulled', async (a, b) => {
      const device = '/run/ttyS7'
      for (const machine of [a, b]) machine.write({ links: ['bcast eth1', `serial ${device}`] })
      const plugIn = async (): Promise<ChildProcess> => {
        const line = a.node.spawn(['socat', `PTY,raw,echo=0,link=${device}`, 'TCP-LISTEN:7001,reuseaddr'], { stdio: 'ignore' })
        b.node.spawn(['socat', `PTY,raw,echo=0,link=${device}`, `TCP:${a.node.address('eth0')}:7001,retry=50,interval=0.1`],
          { stdio: 'ignore' })
        for (const machine of [a, b]) {
          assert.ok(await until(async () => (await machine.node.exec(['test', '-e', device])).rc === 0, 5000, 50))
        }
        return line
      }
      const lineIs = async (machine: Machine, state: string): Promise<string> => {
        const isSo = (link: { name: string, state: string }): boolean => link.name === device && link.state === state
        const report = await machine.when(`has the line ${state}`, ({ links }) => links.some(isSo), 15_000)
        return report.links.find(({ name }) => name === device)?.problem ?? ''
      }
      await plugIn()
      await startBoth(a, b)
      for (const machine of [a, b]) await lineIs(machine, 'up')
      await a.node.exec(['sh', '-c', 'kill $(pidof socat)'])
      for (const machine of [a, b]) {
        await machine.when('misses the device', ({ links }) =>
          links.some(({ name, open, problem }) => name === device && !open && problem !== ''), 15_000)
        assert.ok(await until(() => machine.log().includes('serial.lost'), 10_000), machine.log())
        await machine.line(/WARN: link\.failed: \/run\/ttyS7 cannot be used, E\w+: .*tried again/)
        await machine.line(/WARN: serial\.lost: the device '\/run\/ttyS7' is gone/)
      }
      assert.deepEqual((await b.status())?.nodes.map((node) => node.status), ['active', 'active'])
      await plugIn()
      for (const machine of [a, b]) {
        assert.ok(await until(() => machine.log().includes('serial.opened'), 15_000), machine.log())
        await lineIs(machine, 'up')
        await machine.line(/info: serial\.opened: the serial line '\/run\/ttyS7' is open again/)
      }
      assert.equal((await a.group())?.state, 'held')
      assertNeverLate(a, b)
      for (const machine of [a, b]) assert.doesNotMatch(machine.log(), /serial\.failed/)
    })
  })
})
