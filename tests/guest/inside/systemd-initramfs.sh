#!/bin/sh
#
# tests/guest/inside/systemd-initramfs.sh - /init of the machine of test-systemd.sh: modules, the root on the first disk, what is to
# be done on the second; then systemd.

export PATH=/usr/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "$module"; done </etc/modules
mkdir /system
mount -t ext4 /dev/vda /system
mount -t ext4 -o ro /dev/vdb /system/mnt
exec switch_root /system /sbin/init
