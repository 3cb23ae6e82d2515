#!/bin/sh
# tests/guest/beside/kill.sh - runs beside Bulkhead: SIGKILLs the live process of $WORKER $KILLS times,
# and says how many there were. The first two lines are set by the test.

pid_of() {
    bulkhead ps --json | sed -n "/\"name\": \"$1\"/,/}/s/.*\"pid\": \([0-9]*\).*/\1/p"
}

# The driver in the guest has to be at work: 30 commands are more than its start needs.
commands() {
    bulkhead inspect --json vtpm/crb/commands | tr -dc 0-9
}

killed=0
[ "$WORKER" != vtpm ] || until [ "$(commands)" -gt 30 ] 2>/dev/null; do sleep 1; done
while [ "$killed" -lt "$KILLS" ]; do
    pid=$(pid_of "$WORKER")
    [ "${pid:-0}" -gt 0 ] && kill -9 "$pid" 2>/dev/null && killed=$((killed + 1))
done
echo "kills $killed"
bulkhead ps
