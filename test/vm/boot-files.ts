// Kernel and first file system of the machines, made once from what Debian installed and kept in .cache/vm.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync, constants, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync,
} from 'node:fs'
import { basename, delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { BootFiles } from './emulator.js'

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url))
const SOURCES = join(PROJECT, 'test', 'vm')
const CACHE = join(PROJECT, '.cache', 'vm')
export const EMULATOR = 'qemu-system-x86_64'
/** Files below these are hidden in a machine. */
const HIDDEN = ['/tmp/', '/run/', '/dev/', '/proc/', '/sys/', '/mnt/vm/']
const MODULES = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay', 'virtio_net']
/** No payload of a kernel image is larger. */
const KERNEL_BYTES_MAX = 512 * 1024 * 1024

function onPath(name: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  }) ?? null
}

/** The newest of Debian's kernels whose modules are here. */
function kernelVersion(): string | null {
  if (!existsSync('/boot')) return null
  return readdirSync('/boot').filter((file) => /^vmlinuz-.*-amd64$/.test(file)).map((file) => file.slice('vmlinuz-'.length))
    .filter((version) => !version.includes('cloud') && existsSync(`/lib/modules/${version}`))
    .sort((x, y) => x.localeCompare(y, 'en', { numeric: true })).at(-1) ?? null
}

/** Why no machine can be emulated here, or null. */
export function emulationObstacle(): string | null {
  if (process.arch !== 'x64') return `machines are emulated on x64 only, this is ${process.arch}`
  const missing = [EMULATOR, 'busybox', 'gcc', 'modprobe', 'xz', 'setpriv'].find((tool) => onPath(tool) === null)
  if (missing !== undefined) return `there is no '${missing}' here`
  if (kernelVersion() === null) return 'there is no Debian kernel with its modules in /boot and /lib/modules'
  if (!isStatic(onPath('busybox') ?? '')) return "busybox is not the static one: 'busybox-static' is needed in its place"
  const hidden = HIDDEN.find((folder) => PROJECT.startsWith(folder) || process.execPath.startsWith(folder))
  return hidden === undefined ? null : `what lies under ${hidden} cannot be seen in an emulated machine`
}

/** No program header of type PT_INTERP. */
function isStatic(file: string): boolean {
  const bytes = readFileSync(file)
  const [start, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)]
  return Array.from({ length: count }, (_, index) => bytes.readUInt32LE(start + index * size)).every((type) => type !== 3)
}

export function bootFiles(): BootFiles {
  const version = kernelVersion()
  if (version === null) throw new Error('no kernel')
  mkdirSync(CACHE, { recursive: true })
  return { kernel: plainKernel(version), initrd: initrd(version) }
}

export const kernelName = (): string => kernelVersion() ?? 'none'

/** Other runs find a whole file or none. */
function cached(name: string, make: (file: string) => void): string {
  const file = join(CACHE, name)
  if (existsSync(file)) return file
  const unfinished = `${file}.${process.pid}`
  make(unfinished)
  renameSync(unfinished, file)
  return file
}

function digest(...parts: readonly (Buffer | string)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex').slice(0, 12)
}

/** As an ELF file, which the emulator enters directly: unpacking itself would take a machine seconds. */
function plainKernel(version: string): string {
  const image = `/boot/vmlinuz-${version}`
  return cached(`vmlinux-${version}-${digest(String(statSync(image).mtimeMs))}`, (file) => {
    const bytes = readFileSync(image)
    const at = bytes.indexOf(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]))
    if (at < 0) throw new Error(`${image} holds no xz stream`)
    const { stdout } = spawnSync('xz', ['-dc', '--single-stream'], { input: bytes.subarray(at), maxBuffer: KERNEL_BYTES_MAX })
    if (stdout.subarray(1, 4).toString('latin1') !== 'ELF') throw new Error(`${image} could not be unpacked`)
    writeFileSync(file, stdout)
  })
}

function initrd(version: string): string {
  const agentSource = readFileSync(join(SOURCES, 'agent.c'))
  const init = readFileSync(join(SOURCES, 'init.sh'))
  const busybox = readFileSync(onPath('busybox') ?? '')
  const name = `initrd-${version}-${digest(agentSource, init, busybox, MODULES.join())}`
  return cached(name, (file) => {
    const folders = ['bin', 'dev', 'proc', 'sys', 'mod', 'lower', 'rw', 'new']
    const modules = moduleFiles(version)
    writeFileSync(file, archive([
      ...folders.map((folder): Entry => ({ name: folder, mode: 0o40755, data: null })),
      { name: 'bin/busybox', mode: 0o100755, data: busybox },
      { name: 'bin/sh', mode: 0o120777, data: Buffer.from('busybox') },
      { name: 'agent', mode: 0o100755, data: compileAgent(`${file}.agent`) },
      { name: 'init', mode: 0o100755, data: init },
      ...modules.map((module, index): Entry =>
        ({ name: `mod/${String(index).padStart(3, '0')}-${basename(module)}`, mode: 0o100644, data: readFileSync(module) })),
    ]))
  })
}

function compileAgent(file: string): Buffer {
  const words = ['-O2', '-static', '-s', '-Wall', '-Wextra', '-Werror', '-o', file, join(SOURCES, 'agent.c')]
  const { status, stderr } = spawnSync('gcc', words, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the agent does not compile: ${stderr}`)
  const program = readFileSync(file)
  rmSync(file)
  return program
}

/** In the order in which they can be loaded. */
function moduleFiles(version: string): string[] {
  const files = MODULES.flatMap((module) => {
    const { stdout } = spawnSync(onPath('modprobe') ?? '', ['-S', version, '--show-depends', module], { encoding: 'utf8' })
    return stdout.split('\n').flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? [])
  })
  return [...new Set(files)]
}

interface Entry {
  readonly name: string
  readonly mode: number
  readonly data: Buffer | null
}

const padded = (bytes: Buffer): Buffer[] => [bytes, Buffer.alloc((4 - bytes.length % 4) % 4)]

/** cpio, the kind that the kernel unpacks ("newc"): thirteen numbers of eight hexadecimal digits, name, data. */
export function archive(entries: readonly Entry[]): Buffer {
  const parts = [...entries, { name: 'TRAILER!!!', mode: 0, data: null }].flatMap(({ name, mode, data }, index) => {
    const content = data ?? Buffer.alloc(0)
    const numbers = [index + 1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0]
    const header = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}${name}\0`
    return [...padded(Buffer.from(header, 'latin1')), ...padded(content)]
  })
  return Buffer.concat(parts)
}
