#
# tests/bench/inside/rounds.sh - in the guest: rounds of what guest-*.sh before this does, under Bulkhead
# and under QEMU alike.
#
# With bench.rounds=N on the kernel's command line: N rounds and a pause after each. Without: a round
# for each line on the console; "end" ends it. bench.who and bench.count come from there too. guest-*.sh
# says how long a PAUSE is, in seconds: whoever measures two guests in turns may stop this one in it.
# shellcheck shell=sh

word() { # NAME
    tr ' ' '\n' </proc/cmdline | sed -n "s/^bench\.$1=//p"
}

whole_round() {
    round || exit
    echo round
}

# Once, before the first round; guest-*.sh may have one.
! type prepare >/dev/null 2>&1 || prepare || exit
rounds=$(word rounds)
stty -echo </dev/ttyS0
exec 5</dev/ttyS0
echo ready
if [ -n "$rounds" ]; then
    for _ in $(seq "$rounds"); do
        whole_round
        sleep "$PAUSE"
    done
else
    while read -r line <&5 && [ "$line" != end ]; do
        whole_round
    done
fi
