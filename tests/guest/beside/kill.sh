#!/bin/sh
# tests/guest/beside/kill.sh - runs beside Bulkhead: SIGKILLs the live process of $WORKER $KILLS times,
# and says how many there were. The first two lines are set by the test.

pid_of() {
    bulkhead ps --json | sed -n "/\"name\": \"$1\"/,/}/s/.*\"pid\": \([0-9]*\).*/\1/p"
}

killed=0
until [ "$(pid_of "$WORKER")" -gt 0 ] 2>/dev/null; do :; done
while [ "$killed" -lt "$KILLS" ]; do
    pid=$(pid_of "$WORKER")
    [ "${pid:-0}" -gt 0 ] && kill -9 "$pid" 2>/dev/null && killed=$((killed + 1))
done
echo "kills $killed"
bulkhead ps
