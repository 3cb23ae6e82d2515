#!/usr/bin/env bash
#
# tests/guest/test-net-link.sh - an operator takes the link of a NIC down and up again under an unmodified guest; while it is
# down the net worker is killed.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/guest/serve.sh
source "$tests/serve.sh"
inside_before=(lib.sh net-lib.sh)
trap 'kill "${server:-}" 2>/dev/null; rm -rf -- "$work"' EXIT

serve 1
# The NIC comes from a file this time: ./run has to find the guest's driver for that, too.
echo '{"nets": [{"user": true, "loopback": true}]}' >"$work/vm.json"
check_in_guest "net link" net-link.sh --vtl2-exec "$tests/beside/link.sh" --config "$work/vm.json" --add "$work/net-server"
# What link.sh found wrong, each on a line of its own.
expect_equal "net link: the operator's commands" "" "$(sed -n 's/^.*link: not /not /p' "$work/err")"
expect_match "net link: the operator's script ended" "link: done" "$(<"$work/err")"
