// syslog(3) without libc: one non-blocking datagram a line to /dev/log (RFC 3164 form, as glibc sends it).
import { systemCalls } from '../system/system.js'

export interface SyslogSink {
  /** False if the line was lost: no logger there, or its socket full. */
  send(level: number, text: string): boolean
  dropped(): number
  close(): void
}

/** Facility names of syslog.h; ha.cf's logfacility takes the same words. */
export const facilities: Readonly<Record<string, number>> = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `Nov 22 10:11:12` in local time, as syslog and heartbeat's files have it. */
export function syslogStamp(time: number): string {
  const date = new Date(time)
  const two = (value: number): string => String(value).padStart(2, '0')
  return (
    `${months[date.getMonth()] ?? '???'} ${String(date.getDate()).padStart(2)} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  )
}

const socketPath = '/dev/log'
const textMaxBytes = 2048
/** After a failure the socket is tried again at most this often, so that a missing logger costs nothing. */
const reconnectMs = 1000

function severity(level: number): number {
  if (level >= 60) return 2
  if (level >= 50) return 3
  if (level >= 40) return 4
  return level >= 30 ? 6 : 7
}

export function connect(facility: string, tag: string): SyslogSink {
  const code = facilities[facility] ?? 3
  let fd = -1
  let lastTry = Number.NEGATIVE_INFINITY
  let lost = 0
  const open = (): boolean => {
    if (fd >= 0) return true
    if (performance.now() - lastTry < reconnectMs) return false
    lastTry = performance.now()
    fd = systemCalls().connectDatagram(socketPath)
    return fd >= 0
  }
  return {
    send(level, text) {
      if (!open()) {
        lost += 1
        return false
      }
      const line = `<${String(code * 8 + severity(level))}>${syslogStamp(Date.now())} ${tag}: ${text.slice(0, textMaxBytes)}`
      const status = systemCalls().sendDatagram(fd, line)
      if (status === 0) return true
      lost += 1
      if (status !== -11 /* EAGAIN: only full */) {
        systemCalls().closeFd(fd)
        fd = -1
      }
      return false
    },
    dropped: () => lost,
    close: () => {
      if (fd >= 0) systemCalls().closeFd(fd)
      fd = -1
    },
  }
}
