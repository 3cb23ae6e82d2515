#!/bin/sh
#
# tests/guest/inside/net-kill.sh - fetches a file until whoever kills beside Bulkhead is done: each time it is whole.
# net-lib.sh comes before this.
# shellcheck shell=sh disable=SC2154

make_lease_script
use_coarse_window
check "link up" ip link set eth0 up
check "DHCP" lease
router=$(cat /root/router)
fetched=0
wrong=0
until [ -e /run/vtl2-exec.status ] && [ "$fetched" -gt 0 ]; do
    wget -O /root/file "http://$router:$PORT/file" 2>/root/wget
    if [ "$(hash </root/file)" != "$HASH" ]; then
        wrong=$((wrong + 1))
        sed 's/^/# /' /root/wget
        echo "# $(wc -c </root/file) of $BYTES bytes after $(cut -d ' ' -f 1 /proc/uptime) s"
    fi
    fetched=$((fetched + 1))
done
echo "# fetched $fetched times"
check_equal "each of them is whole" 0 "$wrong"
check_no_complaints
finish
