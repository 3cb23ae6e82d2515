# tests/guest/lib.sh - helpers for tests that start a guest. Sourced by tests/guest/test-*.sh.
#
# A test prints `ok NAME` or `not ok NAME` for each thing it checked; lines that start with #
# explain.
# shellcheck shell=bash

tests=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")")
top=$(realpath -- "$tests/../..")
readonly tests top

# Seconds until a guest counts as stuck: a boot where every CPU is emulated takes some 20, a test some 150, and
# several times that on a busy machine.
readonly guest_timeout=${GUEST_TIMEOUT:-800}

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

ok() {
    printf 'ok %s\n' "$1"
}

not_ok() { # NAME [FILE-THAT-EXPLAINS]
    printf 'not ok %s\n' "$1"
    [[ -z ${2:-} ]] || tail -n 40 -- "$2" | sed 's/^/# /'
}

expect_equal() { # NAME EXPECTED ACTUAL
    if [[ $2 == "$3" ]]; then
        ok "$1"
    else
        not_ok "$1"
        printf '# expected %s\n# got      %s\n' "$2" "$3"
    fi
}

expect_match() { # NAME REGEX ACTUAL
    if [[ $3 =~ $2 ]]; then
        ok "$1"
    else
        not_ok "$1"
        printf '# expected %s\n# got      %s\n' "$2" "$3"
    fi
}

# Of a guest of that release. Linux patches its code while it runs, by way of an INT3, and with a second CPU QEMU may keep
# one that is not there any more (lost_to_emulation). 6.1 takes it for ever, and seldom; 6.12 has ended with "Oops: int3" in
# its boot, most likely of the same.
vcpus_of() { # RELEASE
    [[ $1 == bookworm ]] && echo 2 || echo 1
}

# What ./run is started by: a command that starts another one.
around=(env)

run_once() { # OPTION...
    status=0
    "${around[@]}" "$top/run" --name "test-$$" --timeout "$guest_timeout" "$@" \
        >"$work/out" 2>"$work/err" </dev/null || status=$?
}

# The guest, or the machine below it, was lost to QEMU's emulation, not to us:
#  - VMRUN leaves the vector it injected in exception_index, and if another thread kicks the CPU just then, the
#    interrupt is delivered a second time, whatever the interrupt flag says; before SWAPGS that is a triple fault.
#    (QEMU 7.2 with a kick after each 20th injection loses the guest in its boot; with the index cleared there it does
#    not.)
#  - Linux patches its code by way of an INT3. A CPU that translates it while another puts the instruction back keeps
#    what is not there any more, and takes that trap for ever, with interrupts off: not a word comes of that machine.
#    (Seen on both CPUs of one. A later QEMU locks the page that it translates.)
#  - A machine resets itself without a word: the cause is not known.
lost_to_emulation() {
    ! grep -q -w -E 'svm|vmx' /proc/cpuinfo || return 1
    [[ $status == 5 ]] ||
        grep -q -e "the VM's process ended with status 0 while the guest ran" \
            -e "nothing was heard of the VM for" "$work/err"
}

# Run ./run with these options, under a name of our own beside other VMs. Sets $status; the output is in
# $work/out, the rest in $work/err.
#
# What is lost to the emulation, and nothing else, is tried up to twice more; a test whose files must be as
# they were before defines before_another_try().
run_bulkhead() { # OPTION...
    local left=2
    run_once "$@"
    while lost_to_emulation && ((left-- > 0)); do
        echo "# lost to an emulated SVM: once more"
        tail -n 12 -- "$work/err" | sed 's/^/# /'
        if declare -F before_another_try >/dev/null; then before_another_try; fi
        run_once "$@"
    done
}

# What comes before a script of inside/.
inside_before=(lib.sh)

# A script of inside/, with what comes before it, as $work/SCRIPT.
make_script() { # SCRIPT
    (cd "$tests/inside" && cat "${inside_before[@]}" "$1") >"$work/$1"
}

# The checks of a script that ran in a guest become checks of this test, under the label; that it ran to its end is
# one more.
report_script() { # LABEL
    local planned seen
    sed -n "s|^\(not \)\{0,1\}ok |&$1: |p; /^#/p" "$work/out"
    planned=$(sed -n 's/^1\.\.//p' "$work/out")
    seen=$(grep -c -E '^(not )?ok ' "$work/out") || true
    if [[ $status == 0 && $planned == "$seen" ]]; then
        ok "$1: the script ran to its end"
    else
        not_ok "$1: the script ran to its end (status $status, $seen checks of ${planned:-?})" \
            "$work/err"
    fi
}

# Run a script of inside/ in a guest, and report it.
check_in_guest() { # LABEL SCRIPT RUN-OPTION...
    make_script "$2"
    run_bulkhead --exec "$work/$2" "${@:3}"
    report_script "$1"
}

# --- a guest whose console we talk to ---

# Start ./run in a session of its own: $vm is its process, descriptor 8 what is typed; the console is in
# $work/console.
start_vm() { # OPTION...
    rm -f -- "$work/keys" "$work/console"
    mkfifo "$work/keys"
    setsid "$top/run" --name "test-$$" --timeout "$((3 * guest_timeout))" "$@" \
        >"$work/console" 2>"$work/err" <"$work/keys" 8>&- &
    vm=$!
    exec 8>"$work/keys"
}

# The console has shown a text that often; false: not within these seconds, or the VM has ended.
await() { # TIMES TEXT SECONDS
    local end=$((SECONDS + $3))
    until (($(grep -a -o -F -e "$2" "$work/console" | wc -l) >= $1)); do
        kill -0 "$vm" 2>/dev/null && ((SECONDS < end)) || return 1
        sleep 0.3
    done
}

# The VM's status, when it has ended.
wait_vm() {
    exec 8>&-
    status=0
    wait "$vm" 2>/dev/null || status=$?
}

# What a power failure is to a VM: all its processes are gone at once.
kill_vm() {
    local children child
    mapfile -t children < <(pgrep -P "$vm")
    kill -KILL -- "-$vm" "${children[@]}"
    for child in "${children[@]}"; do
        tail --pid="$child" -f /dev/null # it must write nothing more
    done
    wait_vm
}
