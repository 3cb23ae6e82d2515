#!/usr/bin/env bash
#
# tests/guest/test-kill.sh - workers are killed while an unmodified guest uses their devices.
#
# The oracle is a model outside: the PCR that so many extends must have given, the lines that were
# printed. The guest goes on until all kills are done. KILLS (default 200) a test.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly kills=${KILLS:-200}

# Makes $work/beside: kill.sh for that worker.
make_beside() { # WORKER
    printf '#!/bin/sh\nWORKER=%s\nKILLS=%s\n' "$1" "$kills" | cat - "$tests/beside/kill.sh" >"$work/beside"
}

test_vtpm() {
    local extends pcr
    make_beside vtpm
    cat >"$work/script" <<'EOF'
#!/bin/sh
extend_loop /run/vtl2-exec.status && dmesg | grep -i "tpm.*\(error\|fail\|timed\)"
exit 0
EOF
    run_bulkhead --exec "$work/script" --vtl2-exec "$work/beside" \
        --add "$top/build/tests/guest/extend_loop"
    read -r _ extends _ pcr < <(grep '^extends' "$work/out" || echo none none none none)
    expect_match "vtpm: $kills kills while the guest extends a PCR" "vtl2: kills $kills" "$(<"$work/err")"
    expect_equal "vtpm: no error in the guest" "" "$(grep -v -E '^(extends|longest)' "$work/out" || true)"
    if [[ $extends == none ]]; then
        not_ok "vtpm: the PCR equals the model" "$work/err"
        return
    fi
    expect_equal "vtpm: the PCR equals the model after $extends extends" \
        "$("$tests/model-pcr" "$extends")" "$pcr"
}

test_chipset() {
    local report
    make_beside chipset
    cat >"$work/script" <<'EOF'
#!/bin/sh
n=0
until [ -e /run/vtl2-exec.status ]; do
    for i in 1 2 3 4 5 6 7 8 9 10; do
        printf 'line %08d abcdefghijklmnopqrstuvwxyz\n' "$n"
        n=$((n + 1))
    done
done
sleep 1
printf 'end %08d kills KILL_COUNT\n' "$n"
EOF
    sed -i "s/KILL_COUNT/$kills/" "$work/script"
    run_bulkhead --exec "$work/script" --vtl2-exec "$work/beside"
    expect_match "chipset: $kills kills while the guest prints" "vtl2: kills $kills" "$(<"$work/err")"
    expect_equal "chipset: the guest ran to its end" 0 "$status"
    if report=$("$top/tests/fault/check-lines" cat "$work/out"); then
        ok "chipset: nothing twice, no more lost than the FIFO held: $report"
    else
        printf '%s\n' "$report" >"$work/report"
        not_ok "chipset: nothing twice, no more lost than the FIFO held" "$work/report"
    fi
}

test_vtpm
test_chipset
