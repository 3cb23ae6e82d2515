#!/bin/sh
#
# tests/bench/inside/icount-init.sh - PID 1 of a machine whose clock counts instructions: runs the
# benches, each line of JSON to the console, and resets.

export PATH=/usr/local/bin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup

# A jail leaves its root by pivot_root, which an initramfs does not allow: the root becomes a mount.
mkdir /.root
mount --bind / /.root
cd /.root || exit
mount --move . /
# shellcheck disable=SC2016
chroot . /bin/sh -c '
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs devtmpfs /dev
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mount -t tmpfs tmpfs /tmp
    mknod /dev/kvm c 1 3 # /dev/null: init opens it, the simulator has no use for it
    icount_hop
    run-sim /opt/bulkhead/bulkhead-init /opt/bulkhead /usr/local/bin/sim_vtpm_bench count=2000
    while read -r module; do insmod "$module"; done </etc/modules
    exec 9</dev/vda # or the last one who closes it makes it cold
    cat /dev/vda >/dev/null
    truncate -s 16M /tmp/disk.img # what is written there, no other thread writes back
    for load in "/dev/vda read depth=1" "/dev/vda read depth=32" "/tmp/disk.img write depth=32"; do
        # shellcheck disable=SC2086
        set -- $load
        run-sim --disk "$1" /opt/bulkhead/bulkhead-init /opt/bulkhead \
            /usr/local/bin/sim_disk_bench "$2" "$3" disk_mib=16 same
    done
    echo "bench: done $?"
' >/dev/console 2>&1
sleep 1
reboot -f
