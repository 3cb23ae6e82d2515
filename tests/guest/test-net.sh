#!/usr/bin/env bash
#
# tests/guest/test-net.sh [RELEASE]... - a NIC in user mode (passt) under Debian's unmodified kernels, old and new: DHCP,
# IPv6, a file down, offloads, changes, its driver unloaded and loaded.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly mib=${MIB:-200}

serve() {
    local left=50
    mkdir "$work/served"
    head -c "${mib}M" /dev/urandom >"$work/served/file"
    printf hello >"$work/served/small"
    port=$((20000 + RANDOM % 20000))
    busybox httpd -f -p "127.0.0.1:$port" -h "$work/served" &
    trap 'kill $! 2>/dev/null; rm -rf -- "$work"' EXIT
    until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || ((left-- == 0)); do
        sleep 0.1
    done
    printf 'PORT=%s BYTES=%s HASH=%s\n' "$port" "$((mib << 20))" \
        "$(sha256sum <"$work/served/file" | cut -d ' ' -f 1)" >"$work/net-server"
}

serve
(($# > 0)) || set -- bookworm trixie
for release; do
    check_in_guest "net, kernel of $release" net.sh --guest-release "$release" --vcpus 2 \
        --net user,mac=02:12:34:56:78:9a --add "$work/net-server" --add-package ethtool
done
