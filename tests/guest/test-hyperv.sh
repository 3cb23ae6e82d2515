#!/usr/bin/env bash
#
# tests/guest/test-hyperv.sh - Debian's unmodified kernel believes that it runs on Hyper-V.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# The module as a file that the guest's init loads: ./run takes modules only for what it has devices for.
add_vmbus=(--add "$(find "$("$top/tools/get-kernel")" -name hv_vmbus.ko)")
readonly add_vmbus

test_surface() {
    check_in_guest "1 vCPU" hyperv.sh "${add_vmbus[@]}"
    check_in_guest "3 vCPUs" hyperv.sh "${add_vmbus[@]}" --vcpus 3
}

# The end of the VM would come before the last words: without pvpanic it does not.
test_crash() {
    cat >"$work/crash" <<'END'
#!/bin/sh
rmmod pvpanic_mmio
sleep 2
echo c >/proc/sysrq-trigger
END
    run_bulkhead --exec "$work/crash" --vtl2-exec "$tests/beside/crash.sh" "${add_vmbus[@]}" \
        --append 'panic=10'
    expect_match "a kernel's panic is in the log" \
        'guest: .*Kernel panic - not syncing: sysrq triggered crash' "$(<"$work/err")"
    expect_match "with what led to it" 'guest: .*Call Trace' "$(<"$work/err")"
    expect_equal "and the guest resets itself" 3 "$status"
}

test_surface
test_crash
