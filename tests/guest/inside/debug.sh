#!/bin/sh
#
# tests/guest/inside/debug.sh - a guest that asks its kernel the same over and over, while somebody debugs it, and goes on
# when that is over.

# In memory, and in no file that the test could have written.
marker="debug-$(cat /proc/sys/kernel/random/uuid)-marker"
echo "marker $marker"
mkdir -p /run
echo "$marker" >/run/marker
cat /proc/version
asked=0
wrong=0
until [ -e /run/vtl2-exec.status ]; do
    [ "$(uname -s)" = Linux ] || wrong=$((wrong + 1))
    asked=$((asked + 1))
done
check_equal "its kernel answered as ever" 0 "$wrong"
check "it asked more than once" test "$asked" -gt 10
check_equal "whoever debugged it was content" 0 "$(cat /run/vtl2-exec.status)"
check_equal "no word of it in its log" "" "$(dmesg | grep -i -E 'oops|BUG:|traps:' | head -3)"
finish
