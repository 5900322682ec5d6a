// The third machine: Debian's etcd, one member, its data in memory.
import { existsSync } from 'node:fs'

import { until } from '../../lab/processes.js'
import type { Machine } from './machine.js'

const ETCD = '/usr/bin/etcd'
const ETCDCTL = '/usr/bin/etcdctl'
const ADDRESS = '10.77.0.3'
const ENDPOINT = `http://${ADDRESS}:2379`
const START_MS = 90_000

/** A line of twinbeat.cf. */
export const arbiterLine = `arbiter etcd endpoints=${ENDPOINT} prefix=/vm/`

export const arbiterObstacle = (): string | null => [ETCD, ETCDCTL].find((file) => !existsSync(file)) ?? null

export async function startArbiter(machine: Machine): Promise<void> {
  await machine.sh(`mkdir -p /run/etcd; cd /; setsid ${ETCD} --name arbiter --data-dir /run/etcd --listen-client-urls ${ENDPOINT} ` +
    `--advertise-client-urls ${ENDPOINT} --listen-peer-urls http://${ADDRESS}:2380 ` +
    `--initial-advertise-peer-urls http://${ADDRESS}:2380 --initial-cluster arbiter=http://${ADDRESS}:2380 ` +
    '>/mnt/vm/etcd.log 2>&1 </dev/null &')
  const isUp = async (): Promise<boolean> =>
    (await machine.exec(`ETCDCTL_API=3 ${ETCDCTL} --endpoints=${ENDPOINT} endpoint health`, 20_000)).rc === 0
  if (!await until(isUp, START_MS, 500)) throw new Error(`etcd does not answer: ${(await machine.exec('tail -5 /mnt/vm/etcd.log')).out}`)
}
