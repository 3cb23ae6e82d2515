#!/bin/sh
# tests/guest/beside/debug.sh - runs beside Bulkhead: pauses a guest, and debugs it with the GDB that is packed behind this
# text. FUNCTION and BANNER, addresses, are set by the test. What GDB says begins with "gdb:".

state() {
    bulkhead inspect supervisor/vm/state | sed -n 's/^ *state *//p'
}

exits() {
    bulkhead inspect --json supervisor/vcpu/0/exits | sed -n 's/.*: \([0-9]*\).*/\1/p'
}

# Its script has printed what it prints before it asks.
until [ "$(bulkhead inspect --json chipset/com2/tx_bytes | sed -n 's/.*: \([0-9]*\).*/\1/p')" -gt 150 ] 2>/dev/null; do sleep 1; done
sleep 2
bulkhead pause
echo "state: $(state)"
before=$(exits)
sleep 2
echo "exits while paused: $(($(exits) - before))"
bulkhead resume
echo "state: $(state)"
sed '1,/^PACKED$/d' "$0" >/tmp/gdb.tar.gz
mkdir -p /tmp/gdb && tar -xzf /tmp/gdb.tar.gz -C /tmp/gdb && rm /tmp/gdb.tar.gz
cat >/tmp/commands <<END
set pagination off
set architecture i386:x86-64
target remote | bulkhead gdb --stdio
x/s 0x$BANNER
break *0x$FUNCTION
continue
printf "stopped at %#lx\n", \$rip
delete
set var \$before = \$rip
stepi
stepi
printf "stepped to %#lx\n", \$rip
info registers rip rsp cr3
x/2i 0x$FUNCTION
hbreak *0x$FUNCTION
continue
printf "stopped again at %#lx\n", \$rip
delete
detach
END
/tmp/gdb/ld.so --library-path /tmp/gdb /tmp/gdb/gdb -nx -batch -x /tmp/commands 2>&1 | sed 's/^/gdb: /'
echo "state: $(state)"
rm -r /tmp/gdb
bulkhead dump /tmp/core
echo "dump: $?"
head -c 65536 /tmp/core | gzip | base64 | sed 's/^/head: /'
echo "marker in the dump: $(grep -a -o 'debug-[-0-9a-f]*-marker' /tmp/core | sort | uniq -c | sort -rn | head -1)"
ls /tmp/core.* 2>/dev/null
exit 0
