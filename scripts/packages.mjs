// The one table of Debian packages: what each is probed by, and which command needs it. Probed by the
// file that is used, not by dpkg, so that a tool from elsewhere counts too and a system without dpkg can
// be judged.
import { existsSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { onPath } from './node-home.mjs'

/** @typedef {'demo' | 'test' | 'fuzz' | 'bench' | 'vm' | 'new-machine'} SetUp */
/**
 * @typedef {{ name: string, probe: string, neededBy: readonly SetUp[], rival?: true, why: string }} DebianPackage
 * `probe` is a command, or a file when it starts with a slash; a `*` in its last part stands for anything.
 * `rival`: takes resources on its own when it runs.
 */

const doctest = '/usr/include/doctest/doctest.h'
const ocfAgent = '/usr/lib/ocf/resource.d/heartbeat/IPaddr2'
const pacemakerAgent = '/usr/lib/ocf/resource.d/pacemaker/Dummy'
const realHeartbeat = '/usr/libexec/heartbeat/heartbeat'
const fuzzerRuntime = '/usr/lib/llvm-14/lib/clang/14.0.6/include/fuzzer/FuzzedDataProvider.h'

/** @type {readonly DebianPackage[]} */
export const packages = [
  { name: 'g++', probe: 'g++', neededBy: ['demo', 'test', 'fuzz', 'bench', 'vm'], why: 'compiles the native engine' },
  { name: 'make', probe: 'make', neededBy: ['demo', 'test', 'fuzz', 'bench', 'vm'], why: 'node-gyp builds by it' },
  { name: 'python3', probe: 'python3', neededBy: ['demo', 'test', 'fuzz', 'bench', 'vm'], why: 'node-gyp is written in it' },
  { name: 'iproute2', probe: 'ip', neededBy: ['demo', 'test', 'bench', 'vm'], why: 'network namespaces of the lab' },
  { name: 'socat', probe: 'socat', neededBy: ['demo', 'test', 'bench', 'vm'], why: 'serial lines of the lab' },
  { name: 'cmake', probe: 'cmake', neededBy: ['test', 'fuzz'], why: 'builds the C++ tests' },
  { name: 'libc6-dev', probe: '/usr/include/stdio.h', neededBy: ['test', 'fuzz', 'vm'], why: 'C headers' },
  { name: 'doctest-dev', probe: doctest, neededBy: ['test', 'fuzz'], why: 'the C++ test framework' },
  { name: 'openssl', probe: 'openssl', neededBy: ['test'], why: 'certificates for an arbiter of the tests' },
  { name: 'git', probe: 'git', neededBy: ['test'], why: 'the install test clones the repository' },
  { name: 'heartbeat', probe: realHeartbeat, neededBy: ['test', 'bench'], rival: true, why: 'the real peer of interop tests' },
  { name: 'resource-agents', probe: ocfAgent, neededBy: ['test', 'bench', 'vm'], why: 'agents that must run unmodified' },
  { name: 'pacemaker-resource-agents', probe: pacemakerAgent, neededBy: ['test'], why: 'more of those agents' },
  { name: 'kmod', probe: '/sbin/modprobe', neededBy: ['test', 'vm'], why: 'agents for file systems ask for it' },
  { name: 'net-tools', probe: '/sbin/ifconfig', neededBy: ['test'], why: 'the oldest address agent calls it' },
  { name: 'iptables', probe: '/sbin/iptables', neededBy: ['test'], why: 'the agent that blocks ports calls it' },
  { name: 'cluster-glue', probe: '/usr/sbin/stonith', neededBy: ['test', 'bench'], why: 'the libraries of the real peer' },
  { name: 'fence-agents', probe: '/usr/sbin/fence_dummy', neededBy: ['test'], why: 'real agents that fencing runs' },
  { name: 'nftables', probe: 'nft', neededBy: ['test', 'bench'], why: 'drops packets in lab machines' },
  { name: 'procps', probe: 'ps', neededBy: ['test', 'bench', 'vm'], why: 'agents look for processes by it' },
  { name: 'iputils-ping', probe: 'ping', neededBy: ['test', 'bench'], why: 'the lab and some agents ping' },
  { name: 'etcd-server', probe: '/usr/bin/etcd', neededBy: ['test', 'vm'], why: 'the arbiter of lease tests' },
  { name: 'etcd-client', probe: '/usr/bin/etcdctl', neededBy: ['test', 'vm'], why: 'sets up users in that arbiter' },
  { name: 'keepalived', probe: '/usr/sbin/keepalived', neededBy: ['bench'], rival: true, why: 'a peer to be measured' },
  { name: 'ucarp', probe: '/usr/sbin/ucarp', neededBy: ['bench'], rival: true, why: 'a peer to be measured' },
  { name: 'corosync', probe: '/usr/sbin/corosync', neededBy: ['bench'], rival: true, why: 'a peer to be measured' },
  { name: 'pacemaker', probe: '/usr/sbin/pacemakerd', neededBy: ['bench'], rival: true, why: 'a peer to be measured' },
  { name: 'pacemaker-cli-utils', probe: '/usr/sbin/crm_resource', neededBy: ['bench'], why: 'sets that peer up' },
  { name: 'iputils-arping', probe: 'arping', neededBy: ['bench'], why: 'what scripts announce an address by' },
  { name: 'tcpdump', probe: 'tcpdump', neededBy: ['test'], why: 'writes captures for the decoder' },
  { name: 'qemu-system-x86', probe: 'qemu-system-x86_64', neededBy: ['vm'], why: 'emulates the machines' },
  { name: 'linux-image-amd64', probe: '/boot/vmlinuz-*-amd64', neededBy: ['vm'], why: 'the kernel that they boot' },
  { name: 'busybox-static', probe: 'busybox', neededBy: ['vm'], why: 'their first programs' },
  { name: 'gcc', probe: 'gcc', neededBy: ['vm'], why: 'compiles the program that carries out orders in them' },
  { name: 'xz-utils', probe: 'xz', neededBy: ['vm'], why: 'unpacks the kernel' },
  { name: 'debootstrap', probe: '/usr/sbin/debootstrap', neededBy: ['new-machine'], why: 'makes the new Debian' },
  { name: 'clang-14', probe: 'clang++-14', neededBy: ['fuzz'], why: 'libFuzzer' },
  { name: 'libclang-rt-14-dev', probe: fuzzerRuntime, neededBy: ['fuzz'], why: 'the run-time of libFuzzer' }
]

/** @param {DebianPackage} pkg */
function isThere(pkg) {
  const { probe } = pkg
  if (!probe.startsWith('/')) return onPath(probe) !== null
  const [before = '', after = ''] = probe.slice(dirname(probe).length + 1).split('*')
  if (!probe.includes('*')) return existsSync(probe)
  const names = existsSync(dirname(probe)) ? readdirSync(dirname(probe)) : []
  return names.some((name) => name.startsWith(before) && name.endsWith(after))
}

/** @param {SetUp} command @returns {DebianPackage[]} */
export function missingPackages(command) {
  return packages.filter((pkg) => pkg.neededBy.includes(command) && !isThere(pkg))
}
