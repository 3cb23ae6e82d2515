#!/bin/sh
#
# tests/guest/inside/lib.sh - put before each script of this folder; both run in the guest, under
# busybox.
#
# A script is a list of checks and ends with `finish`: a guest that stops before cannot look like
# success.

checks=0

verdict() { # STATUS NAME
    checks=$((checks + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $2"
    else
        echo "not ok $2"
    fi
}

# The command succeeds. Its words are shown only if it does not.
check() { # NAME COMMAND...
    name=$1
    shift
    words=$("$@" 2>&1)
    status=$?
    verdict "$status" "$name"
    [ "$status" -eq 0 ] || printf '%s\n' "$words" | sed 's/^/# /'
}

# The command fails, as it should.
check_refused() { # NAME COMMAND...
    name=$1
    shift
    ! "$@" >/dev/null 2>&1
    verdict $? "$name"
}

check_equal() { # NAME EXPECTED ACTUAL
    [ "$2" = "$3" ]
    status=$?
    verdict "$status" "$1"
    [ "$status" -eq 0 ] || printf '# expected %s\n# got      %s\n' "$2" "$3"
}

# A guest that is gone before the script beside Bulkhead has ended cuts it off.
await_beside() {
    until [ -e /run/vtl2-exec.status ]; do sleep 0.5; done
}

finish() {
    echo "1..$checks"
}
