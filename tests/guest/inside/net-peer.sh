#!/bin/sh
#
# tests/guest/inside/net-peer.sh - the near end of the cable of test-net-peer.sh: pings, fetches a file until the kills
# at both ends are over, and stays when the far end has gone. net-lib.sh comes before this.
# shellcheck shell=sh disable=SC2154

far=10.98.0.2

get() { # PATH
    timeout 60 wget -q -O - "http://$far/$1" # wget's own -T is a crash of busybox
}

killed() {
    [ -e /run/vtl2-exec.status ] && get killed >/dev/null 2>&1
}

check "link up" ip link set eth0 up
check "address" ip addr add 10.98.0.1/24 dev eth0
check "ping" wait_for 60 ping -c 1 -W 1 "$far"
check "ping with 1400 bytes" ping -c 3 -W 2 -s 1400 "$far"
check "ping by IPv6" wait_for 20 ping6 -c 1 -W 1 "$FAR%eth0"
check "the server is up" wait_for 30 get hash
hash=$(get hash)
fetched=0
wrong=0
end=$(($(date +%s) + 120))
until [ "$fetched" -gt 0 ] && killed || [ "$(date +%s)" -gt "$end" ]; do
    [ "$(get file | hash)" = "$hash" ] || wrong=$((wrong + 1))
    fetched=$((fetched + 1))
done
check "the kills at both ends are over" killed
echo "# fetched $BYTES bytes $fetched times"
check_equal "each of them is whole" 0 "$wrong"
check_equal "the far end is told to end" bye "$(get cgi-bin/end)"
check "and is gone" wait_for 60 sh -c "! ping -c 1 -W 1 $far"
check_equal "our link is up still" 1 "$(cat /sys/class/net/eth0/carrier)"
check_no_complaints
finish
