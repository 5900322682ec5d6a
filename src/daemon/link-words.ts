// Why a heartbeat link is closed, and what to do about it, in words.
import { getSystemErrorName } from 'node:util'

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program holds its UDP port: 'ss -ulpn' names it",
  ENODEV: 'there is no such interface or device now',
  ENXIO: 'there is no such interface or device now',
  ENETDOWN: "the interface is down: 'ip link' shows it",
  ENETUNREACH: "the interface has no address or no route: 'ip addr' shows it",
  EADDRNOTAVAIL: "the interface has no address: 'ip addr' shows it",
  EPERM: 'not permitted: twinbeatd needs root, or CAP_NET_RAW and CAP_NET_BIND_SERVICE',
  EACCES: 'not permitted: twinbeatd needs root, or CAP_NET_RAW and CAP_NET_BIND_SERVICE',
  EIO: 'the line is unplugged or its other end is gone',
  EPIPE: 'the line is unplugged or its other end is gone',
}

/** `ENODEV: there is no such interface or device now`. */
export function whyClosed(errno: number): string {
  const name = errnoName(errno)
  const reason = reasons[name]
  return reason === undefined ? name : `${name}: ${reason}`
}

const addressReasons: Readonly<Record<string, string>> = {
  EPERM: 'not permitted: twinbeatd needs root or CAP_NET_ADMIN',
  ENODEV: "there is no such interface: 'ip link' lists those there are",
  ENETDOWN: "the interface is down: 'ip link' shows it",
  EINVAL: 'the kernel refuses this address, prefix or label',
  ETIME: 'withheld: its authority had run out before the kernel could be told',
  ECANCELED: 'withheld: it was removed again in between',
  ESTALE: 'withheld: this daemon had not run for too long',
  EOWNERDEAD: 'withheld: there is no guardian that could remove it',
  ENOLCK: 'withheld: the arbiter does not grant the group to this node any more',
  ESHUTDOWN: 'withheld: this daemon has let go of everything and must be started anew',
}

/** Why the kernel did not change an address. */
export function whyNotChanged(errno: number): string {
  const name = errnoName(errno)
  const reason = addressReasons[name]
  if (reason?.startsWith('withheld: ') === true) return reason
  return reason === undefined ? `the kernel refused: ${name}` : `${name}: ${reason}`
}

export function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno)
  } catch {
    return `system error ${String(errno)}`
  }
}
