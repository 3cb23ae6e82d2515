#!/bin/sh
# tests/guest/beside/first-disk.sh - runs beside Bulkhead: gives a guest that is up and has no disk its first one.
# Lines that begin with "processes" say what runs before and after.

processes() {
    bulkhead ps --json | sed -n 's/.*"name": "\([a-z]*\)".*/\1/p' | tr '\n' ' '
}

until [ "$(bulkhead inspect --json vmbus/connection | grep -c 'channels offered')" -gt 0 ]; do sleep 1; done
echo "processes before: $(processes)"
yes first | head -c 8388608 >/tmp/first-disk
bulkhead disk add /tmp/first-disk,format=raw,serial=FIRST,lun=0
echo "processes after: $(processes)"
