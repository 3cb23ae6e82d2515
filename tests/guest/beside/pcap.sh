#!/bin/sh
# tests/guest/beside/pcap.sh - runs beside Bulkhead: captures the guest's pings. The file goes out in lines that begin with
# "pcap: ", and what is not as it should be in lines that begin with "pcap not: ".

readonly file=/tmp/pings said=/tmp/pings.said

bulkhead pcap 0 --filter icmp --snaplen 200 -w "$file" 2>"$said" &
watcher=$!
# Two small ones at least, and six that are cut.
left=600
until [ "$(wc -c <"$file" 2>/dev/null || echo 0)" -ge 1700 ]; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || {
        echo "pcap not: only $(wc -c <"$file") bytes: $(cat "$said")"
        break
    }
    sleep 0.5
done
sleep 2
kill -INT "$watcher"
wait "$watcher" || echo "pcap not: status $?"
grep -q 'packets captured of [0-9]*, 0 dropped' "$said" || echo "pcap not: $(cat "$said")"
base64 "$file" | sed 's/^/pcap: /'
