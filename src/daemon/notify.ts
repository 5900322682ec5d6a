// sd_notify(3): readiness and status for systemd, nothing if nobody asked for it.
import { systemCalls } from '../system/system.js'

export function notifySupervisor(state: string): void {
  const socket = process.env['NOTIFY_SOCKET']
  if (socket === undefined || socket === '') return
  const calls = systemCalls()
  const fd = calls.connectDatagram(socket)
  if (fd < 0) return
  calls.sendDatagram(fd, state)
  calls.closeFd(fd)
}
