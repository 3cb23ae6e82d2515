# tests/fault/replace.sh - a busy worker is replaced by another program, over and over, as an operator does it. Sourced
# with $worker, $run_sim, $bulkhead, $init, $workers set; sets $work, $socket, and $after, the build that serves.
# shellcheck shell=bash disable=SC2154

sim=''
work=$(mktemp -d)
trap 'kill "$sim" 2>/dev/null || true; rm -rf -- "$work"' EXIT
socket=$work/operator.sock

build_id() {
    "$bulkhead" ps --json --socket "$socket" |
        sed -n '/"name": "'"$worker"'"/,/}/s/.*"build_id": "\([0-9a-f]*\)".*/\1/p'
}

fail() {
    echo "$1"
    cat "$work/out"
    exit 1
}

# Until the worker can be asked for.
start_sim() { # RUN-SIM-OPTION... INIT WORKERS SIMULATOR ARGUMENT...
    "$run_sim" --timeout 250 --socket "$socket" "$@" >"$work/out" 2>&1 &
    sim=$!
    until [[ -S $socket && -n $(build_id 2>/dev/null) ]]; do
        kill -0 "$sim" || { cat "$work/out"; exit 1; }
        sleep 0.1
    done
}

# Each replacement shows another build id.
replace() { # TIMES NEXT
    local before program i
    for ((i = 1; i <= $1; i++)); do
        before=$(build_id)
        if ((i % 2)); then program=$2; else program=$workers/bulkhead-$worker; fi
        "$bulkhead" restart "$worker" --binary "$program" --socket "$socket" >/dev/null ||
            fail "replacement $i was refused"
        after=$(build_id)
        [[ $before != "$after" ]] || fail "replacement $i: still build $after"
    done
    echo "replaced $1 times; builds $before and $after"
}

# While the old one serves on.
expect_refusal() { # PROGRAM
    if "$bulkhead" restart "$worker" --binary "$1" --socket "$socket" 2>"$work/refusal"; then
        fail "a program that cannot read the state was accepted"
    fi
    cat "$work/refusal"
    [[ $(build_id) == "$after" ]] || fail "the old one does not serve on"
}
