#!/usr/bin/env bash
#
# tests/guest/test-disk-kill.sh - the storage worker, and now and then vmbus, are killed while fio in an
# unmodified guest writes and verifies. KILLS (default 100).
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly kills=${KILLS:-100}

printf '#!/bin/sh\nWORKER=storage ALSO=vmbus KILLS=%s\n' "$kills" |
    cat - "$tests/beside/kill.sh" >"$work/beside"
truncate -s 64M "$work/disk.img"
check_in_guest "kills" disk-kill.sh --vtl2-exec "$work/beside" --vcpus 2 --memory 768M \
    --add-package fio --disk "$work/disk.img,serial=KILL"
expect_match "kills: $kills kills of storage" "vtl2: kills $kills" "$(<"$work/err")"
