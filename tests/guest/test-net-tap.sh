#!/usr/bin/env bash
#
# tests/guest/test-net-tap.sh - a NIC on a tap in a network namespace, with an MTU of 9000.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/guest/serve.sh
source "$tests/serve.sh"
inside_before=(lib.sh net-lib.sh)

readonly namespace=bulkhead-test-$$

# What the guest sends is hashed, one line a connection.
take_uploads() {
    while :; do
        ip netns exec "$namespace" busybox nc -l -p "$((port + 1))" | sha256sum | cut -d ' ' -f 1 >>"$work/uploads"
    done
}

end() {
    kill "${uploads:-}" "${server:-}" 2>/dev/null || true
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
serve 50 10.99.0.1 ip netns exec "$namespace"
: >"$work/uploads"
take_uploads &
uploads=$!

# The test's programs run where the tap is.
around=(ip netns exec "$namespace")
check_in_guest "net, tap" net-tap.sh --vcpus 2 --net tap=tap0,mtu=9000 --add "$work/net-server" \
    --add-package ethtool
hash=$(sha256sum <"$work/served/file" | cut -d ' ' -f 1)
expect_equal "net, tap: what came up is the file, twice" "$hash $hash" "$(head -n 2 "$work/uploads" | xargs)"
expect_equal "net, tap: the tap is as it was" 1 "$(ip -n "$namespace" link show tap0 | grep -c 'mtu 9000')"
