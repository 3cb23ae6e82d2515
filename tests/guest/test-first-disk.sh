#!/usr/bin/env bash
#
# tests/guest/test-first-disk.sh - a VM begins without a disk, and so without a storage process; an unmodified guest that
# runs is given one.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

echo '{}' >"$work/none.json" # that names no disk, but has ./run load what a guest needs for some
check_in_guest "first disk" first-disk.sh --vtl2-exec "$tests/beside/first-disk.sh" --config "$work/none.json"
expect_equal "first disk: no process that has nothing to do" "supervisor chipset vtpm vmbus diag " \
    "$(sed -n 's/^.*processes before: //p' "$work/err")"
expect_equal "first disk: its process was started" "supervisor chipset vtpm vmbus storage diag " \
    "$(sed -n 's/^.*processes after: //p' "$work/err")"
