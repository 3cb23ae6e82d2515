#!/bin/sh
#
# tests/bench/inside/tpm-rounds.sh - in the guest: rounds of TPM commands, under Bulkhead and under
# QEMU alike.
#
# With bench.rounds=N on the kernel's command line: N rounds and a pause after each. Without: a round
# for each line on the console; "end" ends it. bench.who and bench.count come from there too.

PAUSE=4 # seconds, in which whoever measures two guests in turns may stop this one

word() { # NAME
    tr ' ' '\n' </proc/cmdline | sed -n "s/^bench\.$1=//p"
}

round() {
    guest_tpm_loop "$(word who)" "$(word count)" || exit
    echo round
}

rounds=$(word rounds)
stty -echo </dev/ttyS0
exec 5</dev/ttyS0
echo ready
if [ -n "$rounds" ]; then
    for _ in $(seq "$rounds"); do
        round
        sleep $PAUSE
    done
else
    while read -r line <&5 && [ "$line" != end ]; do
        round
    done
fi
