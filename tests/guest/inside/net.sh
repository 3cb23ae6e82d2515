#!/bin/sh
#
# tests/guest/inside/net.sh - the NIC of test-net.sh, plugged into passt, as Debian's kernel and tools see it.
#
# net-lib.sh and what the test says of its server come before this.
# shellcheck shell=sh disable=SC2154

check_driver() {
    check "hv_netvsc has a device" [ -e /sys/class/net/eth0/device/driver/module/drivers ]
    check_equal "its driver" hv_netvsc "$(basename "$(readlink /sys/class/net/eth0/device/driver)")"
    check_equal "the address that was asked for" 02:12:34:56:78:9a "$(cat /sys/class/net/eth0/address)"
    check_equal "the MTU" 1500 "$(cat /sys/class/net/eth0/mtu)"
}

check_ethtool() {
    check_equal "ethtool -i" "driver: hv_netvsc" "$(ethtool -i eth0 | head -n 1)"
    check "ethtool -k" ethtool -k eth0
    check "ethtool -S" ethtool -S eth0
    check "ethtool -x" ethtool -x eth0
    check_equal "a channel for each vCPU" "$(nproc)" \
        "$(ethtool -l eth0 | sed -n '/Current/,$s/^Combined:[[:space:]]*//p')"
    check_equal "transmit checksums are left to us" "on" \
        "$(ethtool -k eth0 | sed -n 's/^tx-checksumming: //p')"
    check_equal "and so are segments" "on" \
        "$(ethtool -k eth0 | sed -n 's/^tcp-segmentation-offload: //p')"
}

check_address() {
    check "link up" ip link set eth0 up
    check "DHCP" lease
    router=$(cat /root/router)
    check "a default route" ip route get 198.51.100.1
    check "IPv6: an address of the network" wait_for 10 sh -c 'ip -6 addr show eth0 | grep -q "inet6 f[dc2].*dynamic"'
}

# passt shows a name server on the host's loopback at the router's address.
check_names() {
    check_equal "the name server of DHCP" "nameserver $router" "$(cat /etc/resolv.conf)"
    check_equal "a name has its addresses" "$ADDRESSES" \
        "$(nslookup "$NAME" | sed '1,/^Name:/d' | sed -n 's/^Address[ 0-9]*: *//p' | sort | xargs)"
}

check_traffic() {
    check_equal "a file of $BYTES bytes, down" "$HASH" "$(wget -q -O - "http://$router:$PORT/file" | hash)"
    head -c 6000000 /dev/urandom | base64 >/root/upload # text: busybox posts no zero
    check_equal "and one up" "$(hash </root/upload)" \
        "$(wget -q -O - --post-file=/root/upload "http://$router:$PORT/cgi-bin/hash")"
}

check_changes() {
    check "MTU 1400" ip link set eth0 mtu 1400
    check_equal "it is set" 1400 "$(cat /sys/class/net/eth0/mtu)"
    check "and back" ip link set eth0 mtu 1500
    check "DHCP after that" lease
    check "down" ip link set eth0 down
    check "another address" ip link set eth0 address 02:12:34:56:78:9b
    check "up" ip link set eth0 up
    check_equal "it has that address" 02:12:34:56:78:9b "$(cat /sys/class/net/eth0/address)"
    # The driver closes its channel for that, and does not set the address again.
    check "MTU 1400 with that" ip link set eth0 mtu 1400
    check "and back to 1500" ip link set eth0 mtu 1500
    check "DHCP with that address" lease
    check_equal "and a small file" hello "$(wget -q -O - "http://$router:$PORT/small")"
    check "down again" ip link set eth0 down
    check "the first one again" ip link set eth0 address 02:12:34:56:78:9a
    check "and up" ip link set eth0 up
    check "DHCP after that too" lease
    check_equal "a small file after all this" hello "$(wget -q -O - "http://$router:$PORT/small")"
}

check_module() {
    for _ in $(seq "$LOADS"); do
        rmmod hv_netvsc || break
        insmod "$(find /usr/lib/modules -name 'hv_netvsc.ko*' | head -n 1)" || break
        wait_for 20 [ -e /sys/class/net/eth0/address ] || break
        reloaded=$((${reloaded:-0} + 1))
    done
    check_equal "the module is unloaded and loaded $LOADS times" "$LOADS" "$reloaded"
    check "link up again" ip link set eth0 up
    check "DHCP again" lease
    check_equal "and it works" hello "$(wget -q -O - "http://$router:$PORT/small")"
}

make_lease_script
use_coarse_window
check_driver
check_ethtool
check_address
check_names
check_traffic
check_iperf3 "$router"
check_changes
check_module
check_no_complaints
finish
