// Types of fence devices as they are written, and what each needs on this machine. The devices themselves are
// in src/fence; this is what a reader of configuration must know of them.

export const kCompiled = [
  'apcmaster', 'apcmastersnmp', 'apcsmart', 'baytech', 'bladehpi', 'cyclades', 'drac3', 'ibmhmc', 'ipmilan', 'nw_rpc100s',
  'rcd_serial', 'rps10', 'wti_mpc', 'wti_nps',
]
export const kOwn = ['meatware', 'ssh', 'null']

/** Null: a device of this type can be used. */
export function fenceTypeProblem(type: string): { readonly message: string; readonly hint: string } | null {
  if (type === 'suicide' || type === 'stonith/suicide') {
    return { message: "'suicide' ends only the node that it runs on", hint: 'the peer must be able to be switched off from here' }
  }
  const plain = type.startsWith('stonith/') ? type.slice('stonith/'.length) : type
  const known = /^external\/[A-Za-z0-9._-]+$/.test(type) || /^fence_[a-z0-9_]+$/.test(type) || [...kCompiled, ...kOwn].includes(plain)
  if (known) return null
  return { message: `there is no fence device '${type}'`, hint: `external/NAME, fence_NAME, ${[...kOwn, ...kCompiled].join(', ')}` }
}

/** The program that a type runs; null: none. */
export function fenceProgram(type: string): string | null {
  if (type.startsWith('external/')) return `/usr/lib/stonith/plugins/${type}`
  if (type.startsWith('fence_')) return `/usr/sbin/${type}`
  if (type === 'ssh') return '/usr/bin/ssh'
  return kOwn.includes(type) ? null : '/usr/sbin/stonith'
}

const kSecretName = /passw|passphrase|secret|community|token|api_?key|private_?key$|^key$|^pin$/i

export const isSecretName = (name: string): boolean => kSecretName.test(name)

/** Parameters go to plugins as environment variables: these names would change how the program runs. */
const kUnsafe =
  /^(PATH|HOME|SHELL|LANG|LC_.*|IFS|ENV|BASH_ENV|SHELLOPTS|BASHOPTS|CDPATH|GLOBIGNORE|PS4|LD_.*|PYTHON.*|PERL.*|TMPDIR|HA_LOGTAG)$/

export const isUnsafeName = (name: string): boolean => kUnsafe.test(name)

/** A line of configuration as it may be shown and digested: values of fence devices hidden. */
export function hideFenceSecrets(raw: string): string {
  if (/^\s*stonith_host\b/.test(raw)) {
    const match = /^(\s*stonith_host\s+\S+\s+\S+\s*)(.+)$/.exec(raw)
    return match === null ? raw : `${match[1] ?? ''}****`
  }
  // A password that was written where only the name of its file belongs.
  if (/^\s*arbiter\b/.test(raw)) {
    return raw.replace(/(:\/\/)[^/\s,]*@/g, '$1****@').replace(/\b(password|passwd|token|secret)=\S+/g, '$1=****')
  }
  if (!/^\s*fence_device\b/.test(raw)) return raw
  return raw.replace(/(^|\s)((?:param\.)?([A-Za-z_][A-Za-z0-9_-]*)=)(\S+)/g,
    (all: string, blank: string, head: string, name: string) => (isSecretName(name) ? `${blank}${head}****` : all))
}
