#!/usr/bin/env bash
#
# tests/guest/test-net-kill.sh - the net worker, and now and then vmbus, are killed while an unmodified guest fetches a file over
# and over: each comes out right. KILLS (default 100).
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/guest/serve.sh
source "$tests/serve.sh"
inside_before=(lib.sh net-lib.sh)
trap 'kill "${server:-}" 2>/dev/null; rm -rf -- "$work"' EXIT

readonly kills=${KILLS:-100}

serve 4
printf '#!/bin/sh\nWORKER=net ALSO=vmbus KILLS=%s\n' "$kills" |
    cat - "$tests/beside/kill.sh" >"$work/beside"
check_in_guest "net kills" net-kill.sh --vtl2-exec "$work/beside" --vcpus 2 --net user,loopback \
    --add "$work/net-server"
expect_match "net kills: $kills kills of net" "vtl2: kills $kills" "$(<"$work/err")"
