#!/usr/bin/env bash
#
# tests/guest/test-net.sh [RELEASE]... - a NIC in user mode (passt) under Debian's unmodified kernels, old and new:
# DHCP, IPv6, names, files, iperf3, offloads, changes, its driver unloaded and loaded.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/guest/serve.sh
source "$tests/serve.sh"
inside_before=(lib.sh net-lib.sh)
trap 'kill "${server:-}" "${iperf3:-}" "${names:-}" 2>/dev/null; rm -rf -- "$work"' EXIT

readonly mib=${MIB:-200}

serve "$mib"
serve_iperf3 127.0.0.1
serve_names
(($# > 0)) || set -- bookworm trixie
for release; do
    echo "LOADS=$([[ $release == bookworm ]] && echo 20 || echo 3)" >>"$work/net-server" # the last one counts
    check_in_guest "net, kernel of $release" net.sh --guest-release "$release" --vcpus "$(vcpus_of "$release")" \
        --net user,loopback,mac=02:12:34:56:78:9a --add "$work/net-server" --add-package ethtool \
        --add-package iperf3
done
