#!/usr/bin/env bash
#
# tests/guest/test-run.sh - what ./run promises: output, status, additions, time limit, clean ends.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

all_bytes() {
    local i
    for ((i = 0; i < 256; i++)); do
        # The octal escape is computed, so the format cannot be a constant.
        # shellcheck disable=SC2059
        printf "\\$(printf '%03o' "$i")"
    done
    echo
}

wanted_output() {
    all_bytes
    printf 'cpus 2\nadded something\nprogram %s\nuser 0\n' "$(sha256sum <"$work/added.txt")"
}

test_output() {
    echo something >"$work/added.txt"
    printf '#!/bin/bash\nsha256sum </root/added.txt\n' >"$work/added-program"
    cat >"$work/beside" <<'END'
#!/bin/sh
echo beside bulkhead
pid=$(bulkhead ps --json | sed -n '/"name": "supervisor"/,/}/s/.*"pid": \([0-9]*\).*/\1/p')
cat /proc/"$pid"/task/*/status | grep Cpus_allowed_list | sort -u
END
    chmod +x "$work/added-program"
    wanted_output >"$work/wanted"

    run_bulkhead --exec "$tests/inside/bytes.sh" --vtl2-exec "$work/beside" --vcpus 2 \
        --add "$work/added.txt" --add "$work/added-program"
    expect_equal "the script's exit status is ours" 7 "$status"
    if cmp -s "$work/wanted" "$work/out"; then
        ok "its output is on stdout, alone and unchanged"
    else
        not_ok "its output is on stdout, alone and unchanged" <(od -c "$work/out"; cat "$work/err")
    fi
    expect_match "the script beside Bulkhead ran" 'beside bulkhead' "$(<"$work/err")"
    grep -q -w -E 'svm|vmx' /proc/cpuinfo ||
        expect_equal "no vCPU runs on an emulated CPU 0" 'Cpus_allowed_list:1-2' \
            "$(grep -o 'Cpus_allowed_list.*' "$work/err" | tr -d '\t\r')"
}

# Ends a VM by a signal, as a closed terminal does, and says what is left of it.
test_hangup() {
    local name=test-$$-hangup pid
    setsid "$top/run" --name "$name" --exec "$work/sleep" >"$work/out" 2>"$work/err" </dev/null &
    pid=$!
    wait_for_vm "$name"
    refuse_second "$name"
    kill -HUP "$pid"
    status=0
    wait "$pid" || status=$?
    expect_match "a closed terminal ends the VM" '^[1-9]' "$status"
    expect_equal "and leaves no process" "" "$(pgrep -s "$pid" -l || true)"
    expect_equal "and no file" "" "$(vm_files "$name")"
}

# The second VM of a name is refused while the first one runs.
refuse_second() { # NAME
    status=0
    "$top/run" --name "$1" --exec "$work/sleep" --timeout 60 >"$work/out2" 2>"$work/err2" \
        </dev/null || status=$?
    expect_match "a second VM of the same name is refused" 'already running' "$(<"$work/err2")"
    expect_match "with a status of its own" '^[1-9]' "$status"
}

# What a VM of this name keeps in the file system: its lock, and where it can be reached its socket.
vm_files() { # NAME
    find /run/bulkhead -name "$1.*" 2>/dev/null || true
}

wait_for_vm() { # NAME
    local tries
    for ((tries = 0; tries < guest_timeout * 4; tries++)); do
        [[ -z $(vm_files "$1") ]] || return 0
        sleep 0.25
    done
}

test_timeout() {
    status=0
    "$top/run" --name "test-$$" --exec "$work/sleep" --timeout 8 >"$work/out" 2>"$work/err" \
        </dev/null || status=$?
    expect_equal "the time limit ends the VM" 124 "$status"
}

printf '#!/bin/sh\nsleep 1000\n' >"$work/sleep"
test_output
test_timeout
test_hangup
