#!/bin/sh
# tests/guest/beside/upgrade.sh - runs beside Bulkhead: makes other builds of all programs, and has them take over from those that
# run, once the guest is busy. BYTE and PROGRAMS (NAME:PLACE-OF-BUILD-ID ...) are set by the test.

published() { # VALUE
    bulkhead inspect --json "$1" | sed -n 's/.*: \([0-9]*\).*/\1/p'
}

await() { # VALUE COUNT
    until [ "$(published "$1")" -gt "$2" ] 2>/dev/null; do sleep 1; done
}

processes() {
    bulkhead ps --json | tr -d '\n'
}

mkdir /tmp/next
for entry in $PROGRAMS; do
    name=${entry%:*}
    program=/usr/libexec/bulkhead/$name
    [ "$name" != bulkhead-init ] || program=/init
    cp "$program" /tmp/next/"$name"
    printf '%b' "\\x$BYTE" | dd of=/tmp/next/"$name" bs=1 seek="${entry#*:}" conv=notrunc 2>/dev/null
done
await vtpm/crb/commands 30 # more than Linux sends while it starts
await storage/disk/0:0/write/ops 100
await net/nic0/rx/frames 1000
echo "before: $(processes)"
echo "upgrade: $(bulkhead upgrade --programs /tmp/next --json | tr -d '\n')"
echo "after: $(processes)"
sleep 3 # under load, too
