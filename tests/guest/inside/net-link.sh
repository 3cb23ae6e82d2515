#!/bin/sh
#
# tests/guest/inside/net-link.sh - what the guest sees while an operator takes its link down and up again (beside/link.sh).
# net-lib.sh comes before this.
# shellcheck shell=sh disable=SC2154

carrier() {
    cat /sys/class/net/eth0/carrier
}

# What it is by now is added to seen, if it is new.
watch() {
    now=$(carrier)
    [ "$now" = "${seen##* }" ] || seen="$seen $now"
}

fetch() { # FILE
    wget -q -O - "http://$router:$PORT/$1"
}

make_lease_script
use_coarse_window
check "link up" ip link set eth0 up
check "DHCP" lease
router=$(cat /root/router)
check_equal "a file of $BYTES bytes" "$HASH" "$(fetch file | hash)"

seen=$(carrier)
until [ -e /run/vtl2-exec.status ]; do
    watch
    sleep 0.2
done
for _ in 1 2 3 4 5 6 7 8 9 10; do
    watch
    sleep 0.5
done
check_equal "the carrier: there, gone, and there again" "1 0 1" "$seen"
check_equal "the operator's script" 0 "$(cat /run/vtl2-exec.status)"
check_equal "a small file after that" hello "$(fetch small)"
check_equal "and a file" "$HASH" "$(fetch file | hash)"
check_no_complaints
finish
