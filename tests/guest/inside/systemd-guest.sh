#!/bin/sh
#
# tests/guest/inside/systemd-guest.sh - /init of the guest of test-systemd.sh.

export PATH=/usr/bin
mount -t devtmpfs devtmpfs /dev
echo "guest is up" >/dev/console
exec sleep 100000
