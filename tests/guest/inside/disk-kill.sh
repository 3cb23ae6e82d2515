#!/bin/sh
#
# tests/guest/inside/disk-kill.sh - fio writes to a disk and reads all of it back, each block with its
# checksum, as long as workers are killed beside it.

readonly disk=/dev/sda

run_fio() {
    fio --name=load --filename=$disk --numjobs=4 --size=12M --offset_increment=16M \
        --rw=randwrite --bsrange=4k-256k --direct=1 --ioengine=libaio --iodepth=8 --fsync=64 \
        --verify=crc32c --verify_fatal=1 --randrepeat=0 --randseed="$1" --thread >fio.out 2>&1
    status=$?
    errors=$(grep -E "err=|verify|error" fio.out | grep -v 'err= 0' | head -n 20)
    [ $status -eq 0 ] && [ -z "$errors" ] && return
    echo "# fio, run $1: status $status"
    printf '%s\n' "$errors" | sed 's/^/# /'
    failed=$((failed + 1))
}

runs=0
failed=0
until [ -e /run/vtl2-exec.status ]; do
    runs=$((runs + 1))
    run_fio $runs
done
echo "# fio ran $runs times"
check_equal "fio: no error and no difference while workers are killed" 0 "$failed"
check_equal "and there was at least one run" 1 $((runs > 0))
run_fio $((runs + 1))
check_equal "fio: the same when nobody is killed any more" 0 "$failed"
check_equal "no complaint in the kernel log" "" "$(dmesg |
    grep -i -E 'storvsc|vmbus|scsi|sd[a-z]|blk|hv_' |
    grep -i -E ' err|error|fail|time.?out|unable|bug|warn|lost|abort|reset')"
finish
