#!/usr/bin/env bash
#
# tests/guest/test-remote.sh - operators over the network, while an unmodified guest runs: in nested mode through QEMU's port to
# the VM below the guest.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
trap 'kill "${vm:-}" 2>/dev/null || true; rm -rf -- "$work"' EXIT

port=$((20000 + $$ % 10000))
"$top/tools/install-deps" 2>/dev/null
"$top/tools/build" programs 2>/dev/null
bulkhead=$top/build/cli/bulkhead
"$bulkhead" pki init --dir "$work/pki" --host 127.0.0.1 >/dev/null
"$bulkhead" pki issue --dir "$work/pki" --role operator bob >/dev/null
printf '#!/bin/sh\nsleep 30\n' >"$work/script"

as_bob() {
    "$bulkhead" "$@" --connect "127.0.0.1:$port" --identity "$work/pki/bob"
}

"$top/run" --name "test-$$" --timeout "$guest_timeout" --operators "127.0.0.1:$port" --pki "$work/pki" --exec "$work/script" \
    >"$work/out" 2>"$work/err" </dev/null &
vm=$!
end=$((SECONDS + guest_timeout))
until as_bob ps --json >"$work/ps" 2>/dev/null || ((SECONDS > end)); do sleep 0.5; done
expect_match "remote: the processes" '"name": "vtpm"' "$(<"$work/ps")"
expect_equal "remote: a worker is replaced" "vtpm: replaced" "$(as_bob restart vtpm 2>&1)"
kill "$vm"
status=0
wait "$vm" || status=$?
expect_equal "remote: the VM ends when it is told" 143 "$status"
