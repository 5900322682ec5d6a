// What a machine was set to while it was drilled: samples without it cannot be compared.

/** One `key=value` a line; everything is read, nothing is set. */
export const settingsScript = (device: string): string => [
  'say() { v=$(cat "$2" 2>/dev/null) && echo "$1=$v"; }',
  'echo "kernel=$(uname -srvm)"',
  'echo "processors=$(nproc)"',
  'echo "cmdline=$(cat /proc/cmdline)"',
  'echo "load=$(cat /proc/loadavg)"',
  'echo "virtual=$(systemd-detect-virt 2>/dev/null)"',
  'say sched_rt_runtime_us /proc/sys/kernel/sched_rt_runtime_us',
  'say sched_rt_period_us /proc/sys/kernel/sched_rt_period_us',
  'say governor /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor',
  'say isolated /sys/devices/system/cpu/isolated',
  'say clocksource /sys/devices/system/clocksource/clocksource0/current_clocksource',
  `d=/sys/class/net/${device}`,
  ...['address', 'mtu', 'speed', 'duplex', 'operstate', 'carrier', 'tx_queue_len', 'gro_flush_timeout', 'napi_defer_hard_irqs', 'threaded']
    .map((name) => `say nic.${name} $d/${name}`),
  'echo "nic.driver=$(basename "$(readlink -f $d/device/driver 2>/dev/null)")"',
  'echo "nic.queues=$(ls $d/queues 2>/dev/null | wc -l)"',
  'true',
].join('\n')

export function parseSettings(text: string): Record<string, string> {
  return Object.fromEntries(text.split('\n').flatMap((line) => {
    const at = line.indexOf('=')
    return at > 0 ? [[line.slice(0, at), line.slice(at + 1).trim()]] : []
  }))
}
