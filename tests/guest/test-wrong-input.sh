#!/usr/bin/env bash
#
# tests/guest/test-wrong-input.sh - what cannot work is refused with one clear line and leaves
# nothing behind.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# What a run could leave: a VM's socket and files, temporary files, processes. Processes started
# here are known by this folder in their environment.
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
leftovers() {
    find "$TMPDIR" -mindepth 1 -printf '%f\n'
    find /run/bulkhead -name "test-$$*" -printf '%f\n' 2>/dev/null || true
    env --unset TMPDIR grep -l -F -s "TMPDIR=$TMPDIR" /proc/[0-9]*/environ || true
}

expect_one_line() { # NAME
    local lines
    lines=$(wc -l <"$work/err")
    if [[ $status != 0 && $status != 124 && ! -s $work/out && $lines == 1 ]]; then
        ok "$1: $(<"$work/err")"
    else
        not_ok "$1 (status $status, $lines lines)" "$work/err"
    fi
}

refuse() { # NAME OPTION...
    local name=$1
    shift
    run_bulkhead "$@"
    expect_one_line "$name"
}

# The same where work comes before the refusal: the last line is the one for people.
refuse_after_progress() { # NAME COMMAND...
    local name=$1
    shift
    status=0
    "$@" >"$work/out" 2>"$work/all" </dev/null || status=$?
    tail -n 1 "$work/all" >"$work/err"
    expect_one_line "$name"
}

# A kernel whose header lacks the flag for a 64-bit entry point: bit 0 at 0x236.
make_32_bit_kernel() { # KERNEL COPY
    cp -- "$1" "$2"
    printf '\0' | dd of="$2" bs=1 seek=$((0x236)) conv=notrunc status=none
}

make_files() {
    local folder
    folder=$("$top/tools/get-kernel")
    make_32_bit_kernel "$folder"/boot/vmlinuz-* "$work/kernel32"
    printf 'this is no kernel\n' >"$work/text"
    truncate --size 300M "$work/large"
    printf '#!/bin/sh\n' >"$work/script"
    truncate --size 1M "$work/disk.img" "$work/other.img"
    truncate --size 1000 "$work/odd.img"
    : >"$work/empty.img"
    printf 'vhdxfile%504s' '' >"$work/vhdx.img"
    printf '%512s' '' | tee "$work/raw.vhd" >"$work/raw.vhdx"
    printf '{"vcpus": 0}\n' >"$work/wrong.json"
    printf '{"vcpus": 1,\n' >"$work/cut.json"
    printf '{"version": "V1", "dynamic": {"storage_controllers": [{}]}}' >"$work/wrong-vtl2.json"
}

# Run a command on a machine whose /dev holds only what every program expects.
without_kvm() { # COMMAND...
    # The script's words are for the inner shell.
    # shellcheck disable=SC2016
    unshare --mount bash -euc '
        mkdir -p "$0"
        mount -t tmpfs -o mode=755 none "$0"
        cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$0"
        ln -s /proc/self/fd "$0/fd"
        mount --move "$0" /dev
        exec "$@"' "$work/dev" "$@"
}

refuse_without_kvm() {
    refuse_after_progress "hosted mode without KVM" without_kvm "$top/run" --mode hosted
}

# A copy of the tree on a file system too small to build in.
refuse_full_disk() {
    local small=$work/small
    mkdir "$small"
    mount -t tmpfs -o size=14M none "$small"
    tar -C "$top" --exclude='./build*' --exclude='./.git' -cf - . | tar -C "$small" -xf -
    refuse_after_progress "disk full while building" "$small/run" --timeout 60
    expect_match "the message names the disk" 'the disk is full$' "$(<"$work/err")"
    umount "$small"
}

# The rest is refused before anything has to be built, or after all has been.
"$top/tools/build" programs
make_files
run_bulkhead --vcpus 0

status=0
: >"$work/out"
"$top/build/cli/bulkhead" schema >/dev/full 2>"$work/err" || status=$?
expect_one_line "no room for what is printed"

refuse "missing script" --exec "$work/nothing"
refuse "script without a name" --exec
refuse "missing second script" --vtl2-exec "$work/nothing"
refuse "unknown option" --nonsense 1
refuse "missing kernel" --kernel "$work/nothing"
refuse "a kernel that is a folder" --kernel "$work"
refuse "not a bzImage" --kernel "$work/text"
refuse "a 32-bit kernel" --kernel "$work/kernel32"
refuse "missing initrd" --initrd "$work/nothing"
refuse "an initrd larger than memory" --initrd "$work/large" --memory 256M
refuse "memory of 1 MB" --memory 1M
refuse "memory of 1 TB" --memory 1T
refuse "memory of an odd number of MB" --memory 65M
refuse "memory that is not a number" --memory lots
refuse "0 vCPUs" --vcpus 0
refuse "65 vCPUs" --vcpus 65
refuse "unknown mode" --mode somewhere
refuse "missing file to add" --add "$work/nothing"
refuse "missing image" --disk "$work/nothing"
refuse "an image that is a folder" --disk "$work"
refuse "an image that is a device without blocks" --disk /dev/zero
refuse "an empty image" --disk "$work/empty.img"
refuse "an image that is cut off" --disk "$work/odd.img"
refuse "a VHDX image by a raw image's name" --disk "$work/vhdx.img"
refuse "a raw image by a VHD image's name" --disk "$work/raw.vhd"
refuse "a raw image said to be VHDX" --disk "$work/raw.vhdx,format=vhdx"
refuse "unknown image format" --disk "$work/disk.img,format=qcow2"
refuse "unknown key of a disk" --disk "$work/disk.img,lunn=1"
refuse "a key without its value" --disk "$work/disk.img,lun"
refuse "LUN 64" --disk "$work/disk.img,lun=64"
refuse "the same LUN twice" --disk "$work/disk.img,lun=1" --disk "$work/other.img,lun=1"
refuse "the same image twice" --disk "$work/disk.img" --disk "$work/disk.img"
# A word for each of 257 drives.
# shellcheck disable=SC2046
refuse "257 drives" $(printf -- '--disk kind=dvd,controller=%d ' $(seq 0 256 | awk '{ print $1 % 4 }'))
# shellcheck disable=SC2046
refuse "65 drives on a controller" $(printf -- '--disk kind=dvd,serial=%d ' $(seq 65))
refuse "memory without a size" --disk format=ram
refuse "a NIC of an unknown kind" --net bridge=br0
refuse "a NIC of no kind" --net mtu=1500
refuse "a NIC of two kinds" --net user,none
refuse "an address that is none" --net none,mac=02:00:00:00:00
refuse "an address of many" --net none,mac=01:00:5e:00:00:01
refuse "an MTU of 67" --net none,mtu=67
refuse "nine queues" --net none,queues=9
refuse "five NICs" --net none --net none --net none --net none --net none
refuse "a forwarded port without a network" --net none,forward=tcp:8022:22
refuse "a forwarded port that is none" --net user,forward=tcp:22
refuse "missing configuration" --config "$work/nothing"
refuse "a wrong value in the configuration" --config "$work/wrong.json"
refuse "a configuration that is cut off" --config "$work/cut.json"
refuse "wrong VTL2 settings" --vtl2-settings "$work/wrong-vtl2.json"
refuse "a device without VTL2 settings" --device "nvme:x=$work/disk.img"
refuse_after_progress "unknown package" "$top/run" --add-package no-such-package-anywhere
refuse_without_kvm
refuse_full_disk
expect_equal "nothing is left behind" "" "$(leftovers)"
