// The command line of the emulator for one machine. What is on it was measured: the plain kernel boots without
// unpacking itself, single-threaded translation is steadier than one thread for each processor, and nothing is
// emulated that nobody uses.

export interface MachineShape {
  readonly id: number
  readonly name: string
  readonly memoryMb: number
  /** Holds the sockets; the names in it follow from the id. */
  readonly dir: string
  /** The folder that survives a reset, as the host sees it. */
  readonly share: string
  readonly hardwareWatchdog: boolean
  /** Ethernet segments, 0 the clients' and 1 the heartbeats'. */
  readonly segments: number
  readonly serialLine: boolean
  /** A way to programs on the host's own loopback address, as to a power switch on a network of its own. */
  readonly management: boolean
  /** Seconds after which a panicked kernel starts again; 0: never. */
  readonly panicS: number
}

export interface BootFiles {
  readonly kernel: string
  readonly initrd: string
}

export const socketName = {
  agent: (id: number): string => `agent${id}`,
  monitor: (id: number): string => `monitor${id}`,
  serial: (id: number): string => `serial${id}`,
  segment: (segment: number, id: number): string => `segment${segment}.${id}`,
} as const

export const macOf = (segment: number, id: number): string => `52:54:00:77:0${segment}:0${id}`

const KERNEL_WORDS = 'console=ttyS0 quiet loglevel=4 mitigations=off nokaslr random.trust_cpu=on net.ifnames=0 ' +
  'tsc=reliable no_timer_check rcupdate.rcu_expedited=1'

export function emulatorArgs(shape: MachineShape, files: BootFiles): string[] {
  const { id, dir } = shape
  const path = (name: string): string => `${dir}/${name}`
  return [
    '-name', shape.name, '-nodefaults', '-no-user-config', '-display', 'none', '-M', 'q35,usb=off',
    '-accel', 'tcg,thread=single,tb-size=256', '-cpu', 'Nehalem', '-smp', '1', '-m', String(shape.memoryMb),
    '-action', 'reboot=reset,shutdown=poweroff,panic=none,watchdog=reset', '-rtc', 'base=utc,clock=host',
    '-kernel', files.kernel, '-initrd', files.initrd,
    '-append', `${KERNEL_WORDS} panic=${shape.panicS} vm.id=${id} vm.name=${shape.name}`,
    '-chardev', `file,id=console,path=${path(`console${id}.log`)},append=on`, '-device', 'isa-serial,chardev=console,index=0',
    ...(shape.serialLine
      ? ['-chardev', `socket,id=serial,path=${path(socketName.serial(id))},reconnect=1`, '-device', 'isa-serial,chardev=serial,index=1']
      : []),
    '-chardev', `socket,id=monitor,path=${path(socketName.monitor(id))}`, '-mon', 'chardev=monitor,mode=control',
    '-device', 'virtio-serial-pci', '-chardev', `socket,id=agent,path=${path(socketName.agent(id))}`,
    '-device', 'virtserialport,chardev=agent,name=twinbeat.agent',
    ...folder('root', '/', 'readonly=on'), ...folder('share', shape.share, 'readonly=off'),
    ...Array.from({ length: shape.segments }, (_, segment) => [
      '-netdev', `stream,id=net${segment},addr.type=unix,addr.path=${path(socketName.segment(segment, id))}`,
      '-device', `virtio-net-pci,netdev=net${segment},id=nic${segment},mac=${macOf(segment, id)},romfile=`,
    ]).flat(),
    ...(shape.management
      ? ['-netdev', 'user,id=net2,ipv6=off', '-device', `virtio-net-pci,netdev=net2,id=nic2,mac=${macOf(2, id)},romfile=`]
      : []),
    ...(shape.hardwareWatchdog ? ['-device', 'i6300esb'] : []),
  ]
}

function folder(tag: string, path: string, mode: string): string[] {
  return ['-fsdev', `local,id=${tag},path=${path},security_model=none,${mode},multidevs=remap`,
    '-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`]
}
