#!/bin/sh
# tests/guest/beside/kill.sh - runs beside Bulkhead: SIGKILLs the live process of $WORKER $KILLS times,
# and says how many there were. The first two lines are set by the test.

pid_of() {
    bulkhead ps --json | sed -n "/\"name\": \"$1\"/,/}/s/.*\"pid\": \([0-9]*\).*/\1/p"
}

# What shows that the guest's driver is at work: a value that a worker publishes, and how much of it.
case $WORKER in
    vtpm) value=vtpm/crb/commands wanted=30 ;; # more than Linux sends while it starts
    chipset) value=chipset/com2/tx_bytes wanted=100 ;;
esac

published() {
    bulkhead inspect --json "$value" | sed -n 's/.*: \([0-9]*\).*/\1/p'
}

killed=0
until [ "$(published)" -gt "$wanted" ] 2>/dev/null; do sleep 1; done
while [ "$killed" -lt "$KILLS" ]; do
    pid=$(pid_of "$WORKER")
    [ "${pid:-0}" -gt 0 ] && kill -9 "$pid" 2>/dev/null && killed=$((killed + 1))
done
echo "kills $killed"
bulkhead ps
