#!/bin/sh
# tests/guest/beside/crash.sh - runs beside Bulkhead: waits until the guest's last words are in the log.

until bulkhead logs supervisor | grep -q 'guest: .*Kernel panic - not syncing'; do sleep 1; done
bulkhead logs supervisor | grep -E 'guest( reports a crash|: )'
