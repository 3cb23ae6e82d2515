#!/bin/sh
# tests/guest/beside/kill.sh - runs beside Bulkhead: SIGKILLs the live process of $WORKER $KILLS times,
# and says how many there were; after every tenth, that of $ALSO too. These are set by the test.

pid_of() {
    bulkhead ps --json | sed -n "/\"name\": \"$1\"/,/}/s/.*\"pid\": \([0-9]*\).*/\1/p"
}

# What shows that the guest's driver is at work: a value that a worker publishes, and how much of it.
case $WORKER in
    vtpm) value=vtpm/crb/commands wanted=30 ;; # more than Linux sends while it starts
    chipset) value=chipset/com2/tx_bytes wanted=100 ;;
    storage) value=storage/disk/0:0/write/ops wanted=100 ;;
    net) value=net/nic0/rx/frames wanted=100 ;;
esac

published() {
    bulkhead inspect --json "$value" | sed -n 's/.*: \([0-9]*\).*/\1/p'
}

kill_one() { # WORKER
    pid=$(pid_of "$1")
    [ "${pid:-0}" -gt 0 ] && kill -9 "$pid" 2>/dev/null
}

# What whoever reads the test's output wants to know then.
give_up() { # WHY
    echo "$1"
    bulkhead ps
    bulkhead events | tail -n 40
    bulkhead logs | tail -n 40
    exit 1
}

killed=0
misses=0
until [ "$(published)" -gt "$wanted" ] 2>/dev/null; do
    misses=$((misses + 1))
    [ "$misses" -lt 180 ] || give_up "$value: never more than $wanted"
    sleep 1
done
misses=0
while [ "$killed" -lt "$KILLS" ]; do
    if ! kill_one "$WORKER"; then
        misses=$((misses + 1))
        [ "$misses" -lt 600 ] || give_up "after $killed kills: there is no process of $WORKER"
        sleep 0.1
        continue
    fi
    misses=0
    killed=$((killed + 1))
    [ -z "${ALSO:-}" ] || [ $((killed % 10)) -ne 0 ] || kill_one "$ALSO"
done
echo "kills $killed"
bulkhead ps
