# tests/bench/inside/icount-main.sh - run in a machine whose clock counts instructions: the benches, each line of JSON
# to the console.
# shellcheck shell=sh

icount_hop
run-sim /opt/bulkhead/bulkhead-init /opt/bulkhead /usr/local/bin/sim_vtpm_bench count=2000
exec 9</dev/vda # or the last one who closes it makes it cold
cat /dev/vda >/dev/null
truncate -s 16M /tmp/disk.img # what is written there, no other thread writes back
for load in "/dev/vda read depth=1" "/dev/vda read depth=32" "/tmp/disk.img write depth=32"; do
    # shellcheck disable=SC2086
    set -- $load
    run-sim --disk "$1" /opt/bulkhead/bulkhead-init /opt/bulkhead \
        /usr/local/bin/sim_disk_bench "$2" "$3" disk_mib=16 same
done
echo "bench: done $?"
