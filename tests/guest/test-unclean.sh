#!/usr/bin/env bash
#
# tests/guest/test-unclean.sh [TIMES] - a whole VM is killed at once while its guest writes: nothing that
# fsync() was answered for may be lost, and fsck must find no more than it can repair. Default: 3 times.
#
# The model is what programs/fsync_loop.c has said was durable before the kill, over all kills.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly times=${1:-3}

acked=-1 # the last record, and all before it
files=() # the files

make_guest() {
    truncate -s 64M "$work/disk.img"
    mke2fs -q -t ext4 "$work/disk.img"
    cat >"$work/script" <<'END'
#!/bin/sh
mkdir -p /mnt
mount -t ext4 -o discard /dev/sda /mnt && fsync_loop /mnt
dmesg | tail -n 20
END
}

# What was said in whole lines; the last line may have been cut.
note_promises() {
    local what n
    while read -r what n; do
        case $what in
            acked) ((n <= acked)) || acked=$n ;;
            file) files+=("$n") ;;
        esac
    done < <(grep -a -E '^(acked|file) [0-9]+$' "$work/console" | head -n -1)
}

records() { # FIRST LAST
    awk -v first="$1" -v last="$2" 'BEGIN {
        for (n = first; n <= last; n++) printf "record %010d %045d\n", n, n * 7 }'
}

from_image() { # FILE
    debugfs -R "cat /$1" "$work/copy.img" 2>/dev/null
}

check_copy() { # LABEL
    local n lost=0
    cp --sparse=always -- "$work/disk.img" "$work/copy.img"
    status=0
    e2fsck -f -y "$work/copy.img" >"$work/fsck" 2>&1 || status=$?
    # 1: repaired. The journal's replay alone does not count as that.
    if ((status <= 1)); then
        ok "$1: fsck repairs what there is"
    else
        not_ok "$1: fsck repairs what there is" "$work/fsck"
    fi
    if cmp -s <(records 0 "$acked") <(from_image records | head -c $(((acked + 1) * 64))); then
        ok "$1: $((acked + 1)) records are as they were acknowledged"
    else
        not_ok "$1: $((acked + 1)) records are as they were acknowledged" "$work/fsck"
    fi
    for n in "${files[@]}"; do
        cmp -s <(records "$n" "$n") <(from_image "file-$n") || lost=$((lost + 1))
    done
    expect_equal "$1: of ${#files[@]} files none is lost" 0 "$lost"
}

kill_once() { # LABEL
    start_vm --exec "$work/script" --vcpus 2 --add "$top/build/tests/guest/fsync_loop" \
        --disk "$work/disk.img"
    await 20 acked "$guest_timeout" || not_ok "$1: the guest writes" "$work/err"
    sleep "$((RANDOM % 6)).$((RANDOM % 10))"
    kill_vm
    note_promises
    check_copy "$1"
}

make_guest
for ((kill = 1; kill <= times; kill++)); do
    kill_once "kill $kill"
done
