// The environment of every device: built from nothing, never the daemon's own.

const systemPath = '/usr/sbin:/usr/bin:/sbin:/bin'

/** Plugins of cluster-glue call ha_log.sh by its bare name. */
export const gluePath = `/usr/share/cluster-glue:${systemPath}`

export function deviceEnvironment(path = systemPath): Record<string, string> {
  return { PATH: path, LANG: 'C.UTF-8', HOME: '/', SHELL: '/bin/sh' }
}

/** Values of the one-line form for the names in their order; the last name takes the rest of the line. */
export function namedParameters(names: readonly string[], values: readonly string[]): Record<string, string> {
  const parameters: Record<string, string> = {}
  names.forEach((name, index) => {
    const value = index === names.length - 1 ? values.slice(index).join(' ') : values[index]
    if (value !== undefined && value !== '') parameters[name] = value
  })
  return parameters
}
