# tests/guest/inside/net-lib.sh - put before scripts that use the network: an address by DHCP, and what serve.sh serves.
# shellcheck shell=sh

# shellcheck source=/dev/null
. /root/net-server # PORT, BYTES, HASH

hash() {
    sha256sum | cut -d ' ' -f 1
}

# What udhcpc does with a lease.
make_lease_script() {
    cat >/root/lease <<'EOF'
#!/bin/sh
case $1 in
    bound | renew)
        ip addr flush dev "$interface" scope global
        ip addr add "$ip/$mask" dev "$interface"
        ip route add default via "$router" dev "$interface"
        echo "$router" >/root/router
        for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
        ;;
esac
EOF
    chmod +x /root/lease
}

lease() {
    udhcpc -i eth0 -n -q -t 10 -T 1 -s /root/lease
}

# Debian 12's passt overlooks that a receive window has changed by less than one percent, and sends more than there is room for. What
# is lost by that it finds by the next acknowledgement that says the same, and sends all that is on its way once more for each such
# one; what comes twice is acknowledged twice, and an emulated guest never gets to the end of it. With scale 14 a window changes by
# 16 KiB or not at all, which is more than one percent of half a megabyte.
use_coarse_window() {
    echo 4096 1048576 1073741824 >/proc/sys/net/ipv4/tcp_rmem
    echo 0 >/proc/sys/net/ipv4/tcp_moderate_rcvbuf
}

wait_for() { # SECONDS COMMAND...
    left=$(($1 * 5))
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.2
    done
}

# The driver, or the bus below it, has said nothing bad.
check_no_complaints() {
    complaints=$(dmesg | grep -i -E 'netvsc|vmbus|eth0' |
        grep -i -E ' err|error|fail|time.?out|unable|bug|warn|lost|abort|invalid')
    check_equal "no complaint in the kernel log" "" "$complaints"
}

run_iperf3() { # SERVER OPTION...
    server=$1
    shift
    TMPDIR=/root timeout 60 iperf3 --json --time 3 --client "$server" --port "$IPERF3_PORT" "$@" >/root/iperf3 || {
        cat /root/iperf3
        return 1
    }
}

iperf3_bytes() { # sent|received
    sed -n "/\"sum_$1\":/,/}/s/.*\"bytes\":[^0-9]*\([0-9]*\).*/\1/p" /root/iperf3
}

# Three seconds in each direction: whatever the rate is, both sides have counted bytes.
check_iperf3() { # SERVER
    for direction in up down; do
        option=
        [ "$direction" = up ] || option=--reverse
        check "iperf3, $direction" run_iperf3 "$1" $option
        for side in sent received; do
            check "iperf3, $direction: bytes are $side" [ "$(iperf3_bytes "$side")" -gt 0 ]
        done
        echo "# iperf3, $direction: $(($(iperf3_bytes received) * 8 / 3000000)) Mbit/s"
    done
}

