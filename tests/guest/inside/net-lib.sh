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

