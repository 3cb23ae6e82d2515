#!/usr/bin/env bash
#
# tests/bench/guest_tpm.sh [OPTION]... - the time of a short TPM command in a guest, under Bulkhead
# and under QEMU with swtpm: the same guest kernel and initramfs, by KVM in the same outer machine,
# in turns. One JSON object a line.
#
#   --build DIR     where meson built Bulkhead (default: build/)
#   --rounds N      of each (default: 5)
#   --count N       commands of each kind in a round (default: 200)
#   --timeout S     seconds for all of it (default: 600)
set -euo pipefail

top=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
# shellcheck source=tools/lib.sh
source "$top/tools/lib.sh"
# shellcheck source=tools/image.sh
source "$top/tools/image.sh"

build=$top/build
rounds=5
count=200
timeout=600

parse_options() {
    while (($# > 0)); do
        case $1 in
            -h | --help) print_header && exit ;;
            --build | --rounds | --count | --timeout) require_value "$1" $# ;;
            *) usage_error "unknown option: $1" ;;
        esac
        case $1 in
            --build) build=$(realpath -- "$2") ;;
            --rounds) rounds=$2 ;;
            --count) count=$2 ;;
            --timeout) timeout=$2 ;;
        esac
        shift 2
    done
}

# What QEMU opens by name when it boots a kernel itself.
plan_qemu() {
    local name
    plan_program "$(command -v qemu-system-x86_64)" /usr/bin/qemu-system-x86_64
    plan_program "$(command -v swtpm)" /usr/bin/swtpm
    for name in seabios/bios-256k.bin qemu/linuxboot_dma.bin qemu/kvmvapic.bin; do
        plan_file "/usr/share/$name" "/usr/share/$name"
    done
}

make_extra() { # ARCHIVE
    local root=$1.root
    build_root "$root"
    pack "$root" "$1"
}

# The outer machine's image, and QEMU after it: the kernel unpacks one after the other.
make_outer_image() { # KERNEL-FOLDER
    local entry base
    base=$("$top/tools/make-vtl2-image" --build "$build" --kernel "$1")
    plan_qemu
    entry=bench/$(plan_digest "$top/tools/image.sh" "${BASH_SOURCE[0]}").cpio
    cache_make "$entry" make_extra
    cache_prune bench
    cat -- "$base" "$cache/$entry" >"$work/outer.cpio"
}

prepare() {
    kernel_folder=$("$top/tools/get-kernel")
    kernel=$(ls -- "$kernel_folder"/boot/vmlinuz-*)
    guest_initrd=$("$top/tools/make-guest-initrd" --kernel "$kernel_folder" \
        --add "$build/tests/bench/guest_tpm_loop" --exec "$top/tests/bench/inside/tpm-rounds.sh")
    make_outer_image "$kernel_folder"
    {
        printf '#!/bin/sh\nROUNDS=%d COUNT=%d\n' "$rounds" "$count"
        cat -- "$top/tests/bench/inside/beside-qemu.sh"
    } >"$work/beside.sh"
    chmod +x "$work/beside.sh"
}

main() {
    parse_options "$@"
    work=$(mktemp -d)
    trap 'rm -rf -- "$work"' EXIT
    prepare
    "$build/cli/bulkhead" run --mode nested --name bench --kernel "$kernel" --initrd "$guest_initrd" \
        --append "bench.who=bulkhead bench.rounds=$rounds bench.count=$count" \
        --vtl2-kernel "$kernel" --vtl2-image "$work/outer.cpio" --vtl2-exec "$work/beside.sh" --exec \
        --timeout "$timeout" </dev/null >"$work/out" 2>"$work/err" ||
        die "the VM ended with status $?: $(tail -n 5 "$work/err")"
    {
        grep '^{' "$work/out"
        sed -n 's/^vtl2: {/{/p' "$work/err"
    } | tr -d '\r'
}

main "$@"
