import { Command } from 'commander'
import type { ProbeLine } from '../../arbiter/arbiter.js'
import { arbiterOf } from '../../arbiter/registry.js'
import type { Micros } from '../../core/base/ids.js'
import { formatDiagnostic } from '../../config/diagnostics.js'
import type { ClusterConfig, Diagnostic } from '../../config/model.js'
import { ask } from '../../control/client.js'
import type { StatusReport } from '../../control/report.js'
import { enabledAtBoot } from '../../lrm/boot.js'
import { describeAgent, Lrm } from '../../lrm/lrm.js'
import { defaultPlaces } from '../../lrm/places.js'
import { resolveMember } from '../../lrm/resolve.js'
import { loadConfig } from '../../config/load.js'
import { loadInputFromMachine } from '../../store/ha-files.js'
import { findConfiguredAddresses, findRivals } from '../../system/preflight.js'
import { probeFencing } from './check-fencing.js'
import { formatChain, timeChain } from '../format/chain.js'
import { defaultHaDir, print, printJson } from '../output.js'

interface CheckOptions {
  readonly haDir: string
  readonly runDir: string
  readonly name?: string
  readonly acceptWithout: string
  readonly json?: boolean
  readonly status: boolean
  readonly probe?: boolean
}

export interface ResourceCheck {
  readonly group: string
  readonly member: string
  /** What the word means on this machine. */
  readonly runs: string
  readonly resolved: boolean
  /** Its answer to `status` now: running, stopped, failed; null when it was not asked. */
  readonly status: string | null
  /** Places that would start it at boot, beside the cluster. */
  readonly enabledAtBoot: readonly string[]
}

const statusTimeoutMs = 30_000

export function checkCommand(): Command {
  return new Command('check')
    .description('read the configuration as the daemon would and say everything that is wrong with it')
    .option('--ha-dir <dir>', 'folder of ha.cf, authkeys, haresources and twinbeat.cf', defaultHaDir)
    .option('--name <node>', 'own node name (default: nodeinfo in the folder, else the host name)')
    .option('--accept-without <list>', 'as given to twinbeatd: stonith,watchdog,...', '')
    .option('--no-status', 'do not ask the agents for their status')
    .option('--probe', 'test each fence device; try the arbiter with a key of its own')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  twinbeat check\n  twinbeat check --ha-dir ./examples/pair/ha.d --name alpha --no-status\n\n' +
        'Exit codes: 0 no errors, 1 errors',
    )
    .action(async (_: unknown, command: Command) => {
      process.exitCode = await check(command.optsWithGlobals<CheckOptions>())
    })
}

async function check(options: CheckOptions): Promise<number> {
  const input = loadInputFromMachine({
    haDir: options.haDir,
    name: options.name ?? null,
    checkHost: true,
    acceptWithout: options.acceptWithout.split(',').filter((word) => word !== ''),
  })
  const loaded = loadConfig(input)
  const resources = loaded.config === null ? [] : await checkResources(loaded.config, options)
  const machine = loaded.config === null ? [] : machineFindings(loaded.config)
  const peerFiles = await comparePeerFiles(options.runDir)
  const probed = options.probe === true ? loaded.config : null
  const probe = probed === null ? [] : await probeArbiter(probed)
  const fencing = probed === null ? [] : await probeFencing(probed)
  const chain = loaded.config === null ? null : timeChain(loaded.config)
  const unresolved = resources.filter((resource) => !resource.resolved)
  const broken = unresolved.length + [...probe, ...fencing].filter((line) => !line.ok).length +
    (chain?.contradictions.length ?? 0)
  const errors = loaded.diagnostics.filter((finding) => finding.severity === 'error').length + broken
  if (options.json === true) {
    printJson({
      ok: errors === 0,
      self: input.self,
      diagnostics: loaded.diagnostics,
      resources,
      machine,
      peerFiles,
      probe,
      fencing,
      times: chain,
    })
    return errors === 0 ? 0 : 1
  }
  for (const finding of loaded.diagnostics) print(formatDiagnostic(finding))
  for (const finding of machine) print(`warning: ${finding}`)
  if (resources.length > 0) print('\nResources:')
  for (const resource of resources) print(formatResource(resource))
  if (chain !== null) print(`\n${formatChain(chain)}`)
  printProbe('Arbiter', probe)
  printProbe('Fencing', fencing)
  if (peerFiles !== null) print(`\nPeer's files: ${peerFiles}`)
  print(summary(loaded.diagnostics, broken, input.self))
  return errors === 0 ? 0 : 1
}

function printProbe(title: string, lines: readonly ProbeLine[]): void {
  if (lines.length > 0) print(`\n${title}:`)
  for (const line of lines) print(`  ${line.ok ? '' : 'error: '}${line.text}`)
}

function summary(diagnostics: readonly Diagnostic[], unresolved: number, self: string): string {
  const count = (severity: string): number =>
    diagnostics.filter((finding) => finding.severity === severity).length
  return `\n${self}: ${String(count('error') + unresolved)} errors, ${String(count('warning'))} warnings`
}

/** The same requests as the daemon's, under a name that no group has. */
async function probeArbiter(config: ClusterConfig): Promise<readonly ProbeLine[]> {
  const arbiter = arbiterOf(config, { now: () => Math.round(performance.now() * 1000) as Micros, incarnation: () => 0 })
  if (arbiter === null) return [{ ok: true, text: 'none is configured' }]
  try {
    return await arbiter.probe()
  } finally {
    arbiter.close()
  }
}

async function checkResources(config: ClusterConfig, options: CheckOptions): Promise<ResourceCheck[]> {
  const places = defaultPlaces(options.haDir)
  const lrm = new Lrm({ nodeName: config.self, haDir: options.haDir })
  const checks: ResourceCheck[] = []
  try {
    for (const group of config.groups) {
      for (const member of group.members) {
        const resolved = resolveMember(member, group.key, places)
        const base = { group: group.key, member: member.id }
        if (resolved.kind === 'unresolved') {
          checks.push({
            ...base,
            runs: `${resolved.reason}; looked at: ${resolved.tried.join(', ')}`,
            resolved: false,
            status: null,
            enabledAtBoot: [],
          })
        } else if (resolved.kind === 'address') {
          checks.push({
            ...base,
            runs: `the engine adds ${resolved.address.address}`,
            resolved: true,
            status: null,
            enabledAtBoot: [],
          })
        } else {
          const result = options.status
            ? await lrm.run({ resource: resolved.target, action: 'probe', timeoutMs: statusTimeoutMs })
            : null
          const status =
            result === null
              ? null
              : result.reason === null
                ? result.state
                : `${result.state}: ${result.reason}`
          checks.push({
            ...base,
            runs: describeAgent(resolved.target),
            resolved: true,
            status,
            enabledAtBoot: enabledAtBoot(resolved.target, places),
          })
        }
      }
    }
  } finally {
    await lrm.close()
  }
  return checks
}

/** What stands in the way on this machine: rivals, addresses that the system configures itself. */
function machineFindings(config: ClusterConfig): string[] {
  const addresses = config.groups.flatMap((group) =>
    group.members.flatMap((member) => (member.address === null ? [] : [member.address.address])),
  )
  return [
    ...findRivals().filter((rival) => rival.name !== 'twinbeatd').map(
      (rival) =>
        `${rival.name} (pid ${String(rival.pid)}) runs here: twinbeatd will refuse to start beside it`,
    ),
    ...findConfiguredAddresses(addresses).map(
      (found) => `the system configures ${found.address} by itself: ${found.file}:${String(found.line)}`,
    ),
  ]
}

/** A running daemon knows the digests that the peer announced. */
async function comparePeerFiles(runDir: string): Promise<string | null> {
  try {
    const report = (await ask('status', {}, { runDir, timeoutMs: 2000 })) as StatusReport
    return report.peerFiles
  } catch {
    return null
  }
}

function formatResource(resource: ResourceCheck): string {
  const lines = [`  ${resource.member}: ${resource.resolved ? '' : 'error: '}${resource.runs}`]
  if (resource.status !== null) lines.push(`    status now: ${resource.status}`)
  for (const place of resource.enabledAtBoot)
    lines.push(`    warning: started at boot as well, by ${place}; disable it there`)
  return lines.join('\n')
}
