#!/bin/sh
#
# tests/guest/inside/upgrade.sh - a disk, a NIC and the TPM are in use until whoever upgrades beside Bulkhead is done.
# net-lib.sh comes before this.
# shellcheck shell=sh disable=SC2154

readonly over=/run/vtl2-exec.status disk=/dev/sda

run_fio() {
    fio --name=load --filename=$disk --numjobs=2 --size=6M --offset_increment=16M --rw=randwrite --bsrange=4k-128k \
        --direct=1 --ioengine=libaio --iodepth=8 --fsync=64 --verify=crc32c --verify_fatal=1 --randrepeat=0 \
        --randseed="$1" --thread --output-format=json >/root/fio.out 2>&1 && ! grep -q '"error" : [1-9]' /root/fio.out
}

# Of a run's requests, reads, writes and syncs.
longest_us() {
    awk '/"lat_ns"/ { look = 1 } look && /"max"/ { gsub(/[^0-9]/, ""); if ($0 > most) most = $0 + 0; look = 0 }
        END { printf "%d\n", most / 1000 }' /root/fio.out
}

make_lease_script
check "link up" ip link set eth0 up
check "DHCP" lease
router=$(cat /root/router)
extend_loop $over >/root/tpm.out 2>&1 &
tpm=$!
(wget -q -O - "http://$router:$PORT/cgi-bin/stream" 2>/root/wget | number_stream read $over >/root/stream.out) &
stream=$!
runs=0
failed=0
longest=0
until [ -e $over ] && [ $runs -gt 0 ]; do
    runs=$((runs + 1))
    run_fio $runs || { failed=$((failed + 1)) && sed 's/^/# /' /root/fio.out | grep -v '"' | head -n 20; }
    now=$(longest_us)
    [ "$now" -le "$longest" ] || longest=$now
done
wait $tpm
check_equal "TPM: no error" 0 $?
wait $stream
check_equal "TCP: one stream, each byte of it right" 0 $?
check_equal "fio: no error and no difference, in $runs runs" 0 $failed
check_equal "whoever upgraded was content" 0 "$(cat $over)"
cat /root/tpm.out /root/stream.out
echo "# longest waits: fio $longest us; TCP $(sed -n 's/.*pause \([0-9]*\) us/\1/p' /root/stream.out) us; TPM $(
    sed -n 's/^longest extend //p' /root/tpm.out)"
check_equal "no complaint in the kernel log" "" "$(dmesg |
    grep -i -E 'storvsc|netvsc|vmbus|scsi|sd[a-z]|blk|hv_|eth0|tpm' |
    grep -i -E ' err|error|fail|time.?out|timed|unable|bug|warn|lost|abort|reset')"
finish
