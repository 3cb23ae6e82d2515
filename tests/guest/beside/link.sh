#!/bin/sh
# tests/guest/beside/link.sh - runs beside Bulkhead: takes the link of NIC 0 down, kills net, takes it up. What is not as it
# should be it says in lines that begin with "link: not".

pid_of_net() {
    bulkhead ps --json | sed -n '/"name": "net"/,/}/s/.*"pid": \([0-9]*\).*/\1/p'
}

published() { # PATH
    bulkhead inspect --json "$1" | sed -n 's/.*": "\{0,1\}\([^",]*\).*/\1/p'
}

expect() { # STATUS TEXT COMMAND...
    status=0
    wanted="$1 $2"
    shift 2
    said=$("$@" 2>&1) || status=$?
    case "$status $said" in
        "$wanted"*) ;;
        *) echo "link: not \"$wanted\" but \"$status $said\": $*" ;;
    esac
}

wait_for() { # PATH VALUE
    left=150
    until [ "$(published "$1")" = "$2" ]; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || {
            echo "link: not $2: $1"
            return
        }
        sleep 0.2
    done
}

until [ "$(published net/nic0/rx/frames)" -gt 100 ] 2>/dev/null; do sleep 1; done
sleep 5 # the guest's file has come, and it looks at its carrier

expect 0 "nic 0: up" bulkhead link 0
expect 1 "bulkhead: no NIC of that number" bulkhead link 3 down
expect 1 "bulkhead: no NIC of that number" bulkhead link 3
expect 2 "bulkhead: link 0 left: up or down" bulkhead link 0 left
expect 2 "bulkhead: link eth0: the number of a NIC" bulkhead link eth0 down

expect 0 "nic 0: down" bulkhead link 0 down
expect 0 "nic 0: down" bulkhead link 0
wait_for net/nic0/link down
sleep 6 # Linux takes note of its carrier every two seconds

before=$(pid_of_net)
kill -9 "$before"
until now=$(pid_of_net) && [ "${now:-0}" -gt 0 ] && [ "$now" != "$before" ]; do sleep 0.2; done
wait_for net/nic0/link down
expect 0 "nic 0: down" bulkhead link 0
sleep 6

expect 0 "nic 0: up" bulkhead link 0 up
wait_for net/nic0/link up
echo "link: done"
