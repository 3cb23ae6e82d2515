#!/usr/bin/env bash
#
# tests/guest/test-net-tap.sh - a NIC on a tap in a network namespace, with an MTU of 9000; an operator watches its pings.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/guest/serve.sh
source "$tests/serve.sh"
inside_before=(lib.sh net-lib.sh)

readonly namespace=bulkhead-test-$$

end() {
    kill "${server:-}" 2>/dev/null || true
    ip netns pids "$namespace" 2>/dev/null | xargs -r kill 2>/dev/null || true
    ip netns delete "$namespace" 2>/dev/null || true
    rm -rf -- "$work"
}
trap end EXIT

ip netns add "$namespace"
ip -n "$namespace" link set lo up
ip -n "$namespace" tuntap add name tap0 mode tap
ip -n "$namespace" address add 10.99.0.1/24 dev tap0
ip -n "$namespace" link set tap0 mtu 9000 up
serve "${MIB:-200}" 10.99.0.1 ip netns exec "$namespace"
serve_iperf3 10.99.0.1 ip netns exec "$namespace"

# What the guest is given comes over a network, and where the tap is there is no other.
"$top/tools/get-kernel" >/dev/null
"$top/tools/get-package" ethtool iperf3 >/dev/null

# The test's programs run where the tap is.
around=(ip netns exec "$namespace")
check_in_guest "net, tap" net-tap.sh --vcpus 2 --vtl2-exec "$tests/beside/pcap.sh" \
    --net tap=tap0,mtu=9000 --add "$work/net-server" \
    --add-package ethtool --add-package iperf3
expect_equal "net, tap: the tap is as it was" 1 "$(ip -n "$namespace" link show tap0 | grep -c 'mtu 9000')"

# The pings as the operator saw them.
pings() { # FILTER
    tshark -n -r "$work/pings" -Y "$1" 2>/dev/null | wc -l
}

expect_equal "net, tap: the operator's command" "" "$(sed -n 's/^.*pcap not: /not /p' "$work/err")"
sed -n 's/^.*pcap: //p' "$work/err" | base64 --decode >"$work/pings"
expect_match "net, tap: a capture that Wireshark reads" 'pcapng.*ether.*nanoseconds' "$(capinfos -M "$work/pings")"
outbound='frame.packet_flags_direction == 2 && ip.src == 10.99.0.2'
inbound='frame.packet_flags_direction == 1 && ip.dst == 10.99.0.2'
expect_equal "net, tap: three long pings went out" 3 "$(pings "icmp.type == 8 && frame.len == 8942 && $outbound")"
expect_equal "net, tap: and came back" 3 "$(pings "icmp.type == 0 && frame.len == 8942 && $inbound")"
expect_equal "net, tap: what was captured of them" 6 "$(pings 'frame.len == 8942 && frame.cap_len == 200')"
