#!/bin/sh
#
# tests/guest/inside/net-tap.sh - the NIC of test-net-tap.sh, on a tap with jumbo frames: big pings, a file down and up,
# iperf3, with the offloads that a tap has, and without. net-lib.sh comes before this.
# shellcheck shell=sh disable=SC2154

router=10.99.0.1

check "MTU 9000" ip link set eth0 mtu 9000
check "link up" ip link set eth0 up
check "address" ip addr add 10.99.0.2/24 dev eth0
check "ping" wait_for 10 ping -c 1 -W 1 "$router"
check "ping with 8900 bytes" ping -c 3 -W 2 -s 8900 "$router"
head -c 6000000 /dev/urandom | base64 >/root/upload # text: busybox posts no zero
check_equal "segments are left to us" on \
    "$(ethtool -k eth0 | sed -n 's/^tcp-segmentation-offload: //p')"
check "a driver that joins segments" ethtool -K eth0 lro on
check_equal "a file of $BYTES bytes, down" "$HASH" "$(wget -q -O - "http://$router:$PORT/file" | hash)"
check_equal "and one up" "$(hash </root/upload)" \
    "$(wget -q -O - --post-file=/root/upload "http://$router:$PORT/cgi-bin/hash")"
check_iperf3 "$router"
check "no offloads" ethtool -K eth0 tso off tx off rx off lro off
check_equal "and a small file goes down" hello "$(wget -q -O - "http://$router:$PORT/small")"
check_equal "and one up" "$(hash </root/upload)" \
    "$(wget -q -O - --post-file=/root/upload "http://$router:$PORT/cgi-bin/hash")"
check_no_complaints
await_beside
finish
