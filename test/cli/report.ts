// A report as a running daemon gives it, for the commands that print one.
import type { NodeReport, StatusReport } from '../../src/control/report.js'

const link = (name: string, state: 'up' | 'down' | 'never'): NodeReport['links'][number] =>
  ({ name, state, lastHeardAgoMs: state === 'never' ? null : 40 })

const node = (part: Partial<NodeReport> & { name: string }): NodeReport => ({
  self: false, kind: 'normal', state: 'up', status: 'active', speaks: 'twinbeat', generation: 7, deadtimeMs: 2000,
  lastStatusAgoMs: 120, latenessUs: 40, latenessMaxUs: 700, links: [link('eth0', 'up'), link('eth1', 'down')], ...part,
})

export const report: StatusReport = {
  at: '2026-11-22T10:00:00.000Z', version: '0.1.0', node: 'nodea', pid: 77, startedAt: '2026-11-22T09:00:00.000Z',
  haDir: '/etc/ha.d', resources: 'local', membership: 'active', operation: null, maintenanceLeftMs: null,
  autoFailback: 'on', splitBrain: 'accept',
  stopFailure: 'reset', acceptedWithout: [], generation: 7, uuid: '00', realtime: true, logLinesDropped: 0, 
  guardian: {
    state: 'guarding', pid: 78, realtime: true, memoryLocked: false, ways: 2, progressUs: 3000,
    watchdog: { state: 'starving', timeoutS: 10, nowayout: true, pettedUs: 4_200_000 },
  },
  timing: { keepaliveMs: 200, deadtimeMs: 2000, warntimeMs: 1000, initdeadMs: 4000 },
  gaps: { countedForMs: 0, lateness: { maxUs: 0, classes: [] }, rescues: 0, stands: 0, peers: [], links: [] },
  nodes: [
    node({ name: 'nodea', self: true, links: [link('eth0', 'up'), link('ttyS0', 'never')] }), node({ name: 'nodeb' }),
    node({ name: 'nodec', state: 'dead', status: 'dead', links: [link('eth0', 'down')] }),
    node({ name: '10.0.0.1', kind: 'ping', links: [link('10.0.0.1', 'up')] }),
    node({ name: '10.0.0.2', kind: 'ping', state: 'dead', status: 'dead', links: [link('10.0.0.2', 'down')] }),
  ],
  links: [{
    name: 'eth1', type: 'bcast', open: false, problem: 'ENODEV: there is no such interface or device now', state: 'never',
    intervalMs: 200, deadtimeMs: 2000, lastHeardAgoMs: null, packetsIn: 0, packetsOut: 3, sendErrors: 0,
    rejected: { auth: 2, replay: 0 },
  }],
  groups: [{
    id: 'web', onHold: false,
    home: 'nodea', addressOnly: false, state: 'held', holder: 'nodea', authority: 'held', lease: null, reason: 'held',
    members: [{ id: '10.0.0.9', kind: 'address', runs: 'engine on eth0', state: 'running', lastResult: 'start: running' }],
  }],
  fencing: { required: false, state: 'idle', text: '', confirmedGeneration: null, devices: [] },
  arbiter: null, peerFiles: null, warnings: ['runs without stonith'], parameters: { keepalive: '200ms' },
}
