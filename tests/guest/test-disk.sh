#!/usr/bin/env bash
#
# tests/guest/test-disk.sh [RELEASE]... - disks of every kind under Debian's unmodified kernels and tools,
# old and new.
#
# The images are made by qemu-img and genisoimage, and what the guest wrote is read back by qemu-img.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

readonly offset_mib=4 # of what inside/disk.sh writes last, and how much
readonly length_mib=8

make_disks() {
    rm -rf -- "$work"/*.img "$work"/*.vhd* "$work"/disc*
    truncate -s 64M "$work/raw.img" "$work/k4.img"
    truncate -s 32M "$work/stripe0.img" "$work/stripe1.img"
    { yes bulkhead || true; } | head -c 16M >"$work/ro.img"
    quietly_qemu_img create -f vpc -o force_size=on "$work/a.vhd" 64M
    quietly_qemu_img create -f vhdx "$work/b.vhdx" 64M
    mkdir "$work/disc"
    { yes disc || true; } | head -c 5000000 >"$work/disc/disc.txt"
    genisoimage -quiet -r -V BULKHEAD -o "$work/disc.iso" "$work/disc"
    stat --format %s "$work/disc.iso" >"$work/iso-size"
}

quietly_qemu_img() {
    qemu-img "$@" >/dev/null
}

# A disk's bytes as one raw image on stdout. Of the stripe, by hand: chunks of 64 KiB, file by file.
raw_bytes() { # SERIAL
    local n
    case $1 in
        RAW) cat "$work/raw.img" ;;
        K4) cat "$work/k4.img" ;;
        VHD) qemu-img convert -f vpc -O raw "$work/a.vhd" "$work/out.img" && cat "$work/out.img" ;;
        VHDX) qemu-img convert -f vhdx -O raw "$work/b.vhdx" "$work/out.img" && cat "$work/out.img" ;;
        STRIPE)
            for ((n = 0; n < 1024; n++)); do
                dd if="$work/stripe$((n % 2)).img" bs=64K skip=$((n / 2)) count=1 status=none
            done
            ;;
    esac
}

# What the guest wrote last is in the files, as other programs read them.
check_images() { # LABEL
    local serial wanted seen=0
    while read -r _ _ serial wanted; do
        seen=$((seen + 1))
        raw_bytes "$serial" >"$work/bytes"
        expect_equal "$1: $serial: what the guest wrote is in the file" "$wanted" \
            "$(dd if="$work/bytes" bs=1M skip=$offset_mib count=$length_mib status=none | sha256sum | cut -d ' ' -f 1)"
    done < <(grep '^# written' "$work/out")
    expect_equal "$1: five disks were written" 5 "$seen"
    expect_equal "$1: qemu-img finds no fault in the VHDX" 0 \
        "$(qemu-img check -q -f vhdx "$work/b.vhdx" >/dev/null 2>&1; echo $?)"
    expect_equal "$1: the read-only image is as it was" \
        "$({ yes bulkhead || true; } | head -c 16M | sha256sum)" "$(sha256sum <"$work/ro.img")"
}

before_another_try() {
    make_disks
}

(($# > 0)) || set -- bookworm trixie
for release; do
    make_disks
    check_in_guest "disks, kernel of $release" disk.sh --guest-release "$release" \
        --vcpus "$(vcpus_of "$release")" \
        --add "$work/iso-size" --add /usr/sbin/blkdiscard \
        --add-package sg3-utils --add-package fdisk --add-package e2fsprogs --add-package eject \
        --add-package wodim --add-package dvd+rw-tools --add-package genisoimage \
        --disk "$work/raw.img,serial=RAW" --disk "$work/k4.img,block-size=4096,serial=K4" \
        --disk "$work/ro.img,readonly,physical-block-size=4096,serial=RO" \
        --disk "$work/a.vhd,serial=VHD" --disk "$work/b.vhdx,lun=9,serial=VHDX" \
        --disk "$work/stripe0.img,member=$work/stripe1.img,chunk=64K,controller=1,serial=STRIPE" \
        --disk "format=ram,size=32M,controller=1,serial=RAM" \
        --disk "$work/disc.iso,kind=dvd,controller=1,serial=DVD"
    check_images "disks, kernel of $release"
done
