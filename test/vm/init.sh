#!/bin/sh
# First program of an emulated machine: the root of the host, read-only over 9p, below an overlay in memory; then the agent.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for m in /mod/*.ko; do $b insmod "$m" 2>/dev/null; done
for word in $($b cat /proc/cmdline); do
  case $word in
  vm.id=*) id=${word#*=} ;;
  vm.name=*) name=${word#*=} ;;
  esac
done
p9=trans=virtio,version=9p2000.L,msize=512000
$b mount -t 9p -o ro,$p9,cache=loose root /lower || exec $b sh
$b mount -t tmpfs -o size=80% tmpfs /rw
$b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work overlay /new || exec $b sh
for d in proc sys dev; do $b mount --move /$d /new/$d; done
$b mkdir -p /new/dev/pts /new/dev/shm /new/mnt/vm
$b mount -t devpts devpts /new/dev/pts
for d in dev/shm run tmp; do $b mount -t tmpfs tmpfs /new/$d; done
$b mount -t cgroup2 cgroup2 /new/sys/fs/cgroup 2>/dev/null
$b ln -s /proc/self/fd /new/dev/fd
$b mkdir -p /new/run/lock /new/run/vm
$b cp /agent /new/run/vm/agent
# What survives a reset: configuration, state, logs.
$b mount -t 9p -o rw,$p9,cache=none share /new/mnt/vm || exec $b sh
$b hostname "$name"
echo "$name" > /new/etc/hostname
printf '127.0.0.1 localhost\n10.77.0.1 nodea\n10.77.0.2 nodeb\n10.77.0.3 arbiter\n' > /new/etc/hosts
$b ip link set lo up
for i in 0 1; do
  $b ip addr add 10.$((77 + i)).0.$id/24 brd + dev eth$i
  $b ip link set eth$i up
done
# The way to the power switch, if there is one.
[ -e /new/sys/class/net/eth2 ] && $b ip addr add 10.0.2.15/24 brd + dev eth2 && $b ip link set eth2 up
exec $b switch_root /new /run/vm/agent
