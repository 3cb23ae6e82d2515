#!/bin/sh
#
# tests/guest/inside/first-disk.sh - a disk comes while the guest runs, which had none: its driver finds the controller,
# and the disk holds what it is to hold.

has_disks() { ls -d /sys/block/sd* >/dev/null 2>&1; }

left=120
until has_disks || [ "$left" -eq 0 ]; do
    left=$((left - 1))
    sleep 1
done
check "the disk has come" has_disks
check_equal "it has as many bytes as its file" 16384 "$(cat /sys/block/sda/size)"
check_equal "it holds what its file does" "$(yes first | head -c 8388608 | sha256sum)" \
    "$(dd if=/dev/sda bs=1M iflag=direct 2>/dev/null | sha256sum)"
head -c 1048576 /dev/urandom >/tmp/random
check "it is written" dd if=/tmp/random of=/dev/sda bs=1M seek=4 oflag=direct
check_equal "and read back" "$(sha256sum </tmp/random)" \
    "$(dd if=/dev/sda bs=1M skip=4 count=1 iflag=direct 2>/dev/null | sha256sum)"
await_beside
finish
