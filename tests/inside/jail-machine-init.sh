#!/bin/sh
#
# tests/inside/jail-machine-init.sh - PID 1 of a machine that lives in an initramfs and starts jails: runs /main.sh, all of whose
# output goes to the console, and resets.

export PATH=/usr/local/bin:/usr/bin

mount_kernel_folders() {
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs devtmpfs /dev
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
}

if [ "$1" = inside ]; then
    mount_kernel_folders
    mount -t tmpfs tmpfs /tmp
    mount -t tmpfs tmpfs /run
    mknod /dev/kvm c 1 3 # /dev/null: init opens it, the simulator has no use for it
    while read -r module; do insmod "$module"; done </etc/modules
    exec /bin/sh /main.sh
fi

# A jail leaves its root by pivot_root, which an initramfs does not allow: the root becomes a mount.
mount_kernel_folders
mkdir /.root
mount --bind / /.root
cd /.root || exit
mount --move . /
chroot . /bin/sh /init inside >/dev/console 2>&1
sleep 1
reboot -f
