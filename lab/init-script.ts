// What runs as PID 1 of the lab's own namespace and of each node. bash, because it reaps orphans
// while it waits, is part of every Debian, and costs 2 MB. Both end when their standard input ends:
// the death of the parent, however sudden, therefore takes the whole lab with it.

/** PID 1 of the lab: the switch. Removes the folder of the lab when its parent is gone. */
export const SWITCH_INIT = `
dir=$1
hostname switch
ip link set lo up
echo ready
while read -r _; do :; done
kill -KILL -1 2>/dev/null
rm -rf "$dir"
`

/**
 * PID 1 of a node. Folders that a daemon writes to are private and survive a power cycle; /run does
 * not. A mount point that this machine lacks is left out: daemons get their folders as options. The
 * serial line may be wanted as a file of /dev, which then has to be a folder of the node's own.
 */
export const NODE_INIT = `
dir=$1 name=$2 device=$3
private_dev() {
  mkdir /run/dev && mount -t tmpfs -o mode=755 tmpfs /run/dev
  for d in null zero full random urandom tty; do touch /run/dev/$d && mount --bind /dev/$d /run/dev/$d; done
  mkdir /run/dev/pts /run/dev/shm && mount --rbind /dev/pts /run/dev/pts
  ln -s pts/ptmx /run/dev/ptmx
  ln -s /proc/self/fd /run/dev/fd
  mount --move /run/dev /dev
}
hostname "$name"
mount -t sysfs sysfs /sys 2>/dev/null
mount -t tmpfs tmpfs /run || exit 1
mkdir -p /run/lock/subsys /run/resource-agents /run/heartbeat/{ccm,crm,dopd,rsctmp} /run/twinbeat
chown -R hacluster:haclient /run/heartbeat 2>/dev/null
bind() { [ -d "$2" ] && mount --bind "$1" "$2"; }
bind "$dir/log" /var/log
bind "$dir/lib" /var/lib/heartbeat
bind "$dir/state" /var/lib/twinbeat
bind "$dir/ha.d" /etc/ha.d
if [ -e "$dir/tty" ]; then
  line=$(readlink -f "$dir/tty")
  case $device in /dev/*) private_dev;; esac
  touch "$device" && mount --bind "$line" "$device"
fi
ip link set lo up
echo ready
while read -r _; do :; done
`

/** A namespace with nothing but interfaces: the client. */
export const CLIENT_INIT = `
hostname client
ip link set lo up
echo ready
while read -r _; do :; done
`
