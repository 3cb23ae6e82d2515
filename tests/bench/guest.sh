#!/usr/bin/env bash
#
# tests/bench/guest.sh [OPTION]... PART - a device in a guest, under Bulkhead and under QEMU: the same guest
# kernel and initramfs, by KVM in the same outer machine, in turns. One JSON object a line.
#
# PART is tpm: short TPM commands, QEMU with swtpm; disk: fio on a disk that the outer machine has in
# memory, QEMU with virtio-blk; or net: iperf3 over a tap of the host's, QEMU with virtio-net.
#
#   --build DIR     where meson built Bulkhead (default: build-release/)
#   --rounds N      of each (default: 5)
#   --count N       in a round: commands of each kind (default: 200), seconds of each fio
#                   job, or of iperf3 in each direction (default: 3)
#   --vcpus N       of each guest (default: 1)
#   --timeout S     seconds for all of it (default: 600, of disk and net 1200)
set -euo pipefail

top=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
# shellcheck source=tools/lib.sh
source "$top/tools/lib.sh"
# shellcheck source=tools/image.sh
source "$top/tools/image.sh"

build=$top/build-release
part=''
rounds=5
vcpus=1
count=''
timeout=''

readonly disk_mib=64

# What QEMU opens by name when it boots a kernel itself, and for a device.
readonly qemu_files=(seabios/bios-256k.bin qemu/linuxboot_dma.bin qemu/kvmvapic.bin)
declare -rA default_count=([tpm]=200 [disk]=3 [net]=3) default_timeout=([tpm]=600 [disk]=1200 [net]=1200)

parse_options() {
    while (($# > 0)); do
        case $1 in
            -h | --help) print_header && exit ;;
            --build | --rounds | --count | --vcpus | --timeout) require_value "$1" $# ;;
            tpm | disk | net)
                part=$1
                shift
                continue
                ;;
            *) usage_error "unknown option or part: $1" ;;
        esac
        case $1 in
            --build) build=$(realpath -- "$2") ;;
            --rounds) rounds=$2 ;;
            --count) count=$2 ;;
            --vcpus) vcpus=$2 ;;
            --timeout) timeout=$2 ;;
        esac
        shift 2
    done
    [[ -n $part ]] || usage_error "a part is needed: tpm, disk or net"
    count=${count:-${default_count[$part]}}
    timeout=${timeout:-${default_timeout[$part]}}
}

plan_qemu() {
    local name
    plan_program "$(command -v qemu-system-x86_64)" /usr/bin/qemu-system-x86_64
    [[ $part != tpm ]] || plan_program "$(command -v swtpm)" /usr/bin/swtpm
    [[ $part != net ]] || plan_program "$(command -v ip)" /usr/bin/iproute2
    for name in "${qemu_files[@]}"; do
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

make_guest() { # KERNEL-FOLDER
    local options=(--kernel "$1" --exec "$work/rounds") module
    local -A modules=([disk]='hv_storvsc sd_mod virtio_pci virtio_blk' [net]='hv_netvsc virtio_pci virtio_net')
    local -A packages=([disk]=fio [net]=iperf3)
    {
        printf '#!/bin/sh\n'
        cat -- "$top/tests/bench/inside/guest-$part.sh" "$top/tests/bench/inside/rounds.sh"
    } >"$work/rounds"
    chmod +x "$work/rounds"
    if [[ $part == tpm ]]; then
        options+=(--add "$build/tests/bench/guest_tpm_loop")
    else
        options+=(--add-package "${packages[$part]}")
        for module in ${modules[$part]}; do
            options+=(--module "$module")
        done
    fi
    guest_initrd=$("$top/tools/make-guest-initrd" "${options[@]}")
}

make_disks() {
    local name
    for name in bulkhead qemu; do
        head -c "${disk_mib}M" /dev/urandom >"$work/$name.img"
        disks+=(--disk "$work/$name.img")
    done
}

# A bridge in a network namespace, with the server's address and a tap for each of them.
make_nets() {
    local name
    namespace=bulkhead-bench-$$
    ip netns add "$namespace"
    ip -n "$namespace" link add name bridge0 type bridge
    ip -n "$namespace" address add 10.99.0.1/24 dev bridge0
    for name in tap0 tap1; do
        ip -n "$namespace" tuntap add name "$name" mode tap
        ip -n "$namespace" link set "$name" master bridge0 up
        nets+=(--net "tap=$name")
    done
    ip -n "$namespace" link set bridge0 up
    around=(ip netns exec "$namespace")
    "${around[@]}" iperf3 --server >/dev/null &
    server=$!
}

clean_up() {
    [[ -z ${server:-} ]] || kill "$server" 2>/dev/null || true
    [[ -z ${namespace:-} ]] || ip netns delete "$namespace"
    rm -rf -- "$work"
}

prepare() {
    kernel_folder=$("$top/tools/get-kernel")
    kernel=$(ls -- "$kernel_folder"/boot/vmlinuz-*)
    disks=() nets=() around=()
    make_guest "$kernel_folder"
    make_outer_image "$kernel_folder"
    [[ $part != disk ]] || make_disks
    [[ $part != net ]] || make_nets
    {
        printf '#!/bin/sh\nROUNDS=%d COUNT=%d VCPUS=%d\n' "$rounds" "$count" "$vcpus"
        cat -- "$top/tests/bench/inside/qemu-$part.sh" "$top/tests/bench/inside/beside-qemu.sh"
    } >"$work/beside.sh"
    chmod +x "$work/beside.sh"
}

main() {
    parse_options "$@"
    work=$(mktemp -d)
    trap clean_up EXIT
    prepare
    "${around[@]}" "$build/cli/bulkhead" run --mode nested --name bench --kernel "$kernel" --initrd "$guest_initrd" \
        --vcpus "$vcpus" --memory 768M "${disks[@]}" "${nets[@]}" \
        --append "bench.who=bulkhead bench.rounds=$rounds bench.count=$count" \
        --vtl2-kernel "$kernel" --vtl2-image "$work/outer.cpio" --vtl2-exec "$work/beside.sh" --exec \
        --timeout "$timeout" </dev/null >"$work/out" 2>"$work/err" ||
        die "the VM ended with status $?: $(tail -n 5 "$work/err")"
    grep -q '^vtl2: {' "$work/err" || die "no figures of QEMU's guest: $(tail -n 15 "$work/err")"
    {
        grep '^{' "$work/out"
        sed -n 's/^vtl2: {/{/p' "$work/err"
    } | tr -d '\r'
}

main "$@"
