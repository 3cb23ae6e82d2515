#!/usr/bin/env bash
#
# tests/bench/icount.sh [OPTION]... - instructions for a port hop, for a TPM command and for a
# request of a disk, kernel and all processes together. In a machine that QEMU emulates with one instruction a nanosecond they
# repeat from boot to boot, whatever else runs here. One JSON object a line, with the figure of the
# last commit that stored them (tests/bench/icount.json) and the difference in per cent, as far as
# that was on the same kernel.
#
#   --build DIR     where meson built Bulkhead (default: build/)
#   --store         store the figures; a commit that does says why they rose
set -euo pipefail

top=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
# shellcheck source=tools/lib.sh
source "$top/tools/lib.sh"
# shellcheck source=tools/image.sh
source "$top/tools/image.sh"

readonly stored=$top/tests/bench/icount.json
readonly limit_s=300

build=$top/build
store=''

parse_options() {
    while (($# > 0)); do
        case $1 in
            -h | --help) print_header && exit ;;
            --store) store=1 ;;
            --build)
                require_value "$1" $#
                build=$(realpath -- "$2")
                shift
                ;;
            *) usage_error "unknown option: $1" ;;
        esac
        shift
    done
}

plan_payload() {
    local program
    plan_file "$top/tests/inside/jail-machine-init.sh" /init
    plan_file "$top/tests/bench/inside/icount-main.sh" /main.sh
    plan_program "$build/tests/sim/run-sim" /usr/local/bin/run-sim
    for program in icount_hop sim_vtpm_bench sim_disk_bench; do
        plan_program "$build/tests/bench/$program" "/usr/local/bin/$program"
    done
    for program in "$build"/init/bulkhead-init "$build"/workers/bulkhead-*; do
        [[ ! -f $program || ! -x $program ]] || plan_file "$program" "/opt/bulkhead/${program##*/}"
    done
    plan_busybox
    plan_modules "$kernel_folder" virtio_pci virtio_blk
}

# What the machine's disk holds does not matter, but that it is there.
make_disk() { # FILE
    head -c 16M /dev/zero | tr '\0' '\252' >"$1"
}

boot() { # ARCHIVE DISK
    timeout "$limit_s" qemu-system-x86_64 -name bench -no-user-config -nodefaults -display none \
        -no-reboot -machine pc,hpet=off -accel tcg -icount shift=0,sleep=off -smp 1 -m 1024 \
        -cpu max,rdrand=off,rdseed=off -kernel "$kernel" -initrd "$1" \
        -append 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr norandmaps tsc=reliable audit=0' \
        -drive "if=none,id=disk,format=raw,file=$2" -device virtio-blk-pci,drive=disk \
        -serial stdio </dev/null
}

# One object for each figure: what, instructions.
figures() { # OUTPUT
    grep -a '^{' "$1" | tr -d '\r' | jq --compact-output '
        if .bench == "icount" then {what, instructions}
        elif .bench == "tpm" then {what: "\(.who) \(.command)", instructions: .mean_ns}
        elif .bench == "disk" then
            {what: "disk \(.what), depth \(.depth)", instructions: (1000000000 / .per_s | round)}
        else empty end'
}

compare() { # FIGURES
    jq --compact-output --arg kernel "${kernel##*/}" \
        --slurpfile before <(cat -- "$stored" 2>/dev/null || echo '{}') '
        (if $before[0].kernel == $kernel then $before[0][.what] else null end) as $old |
        {bench: "icount"} + . +
        if $old then {before: $old, per_cent: (10000 * (.instructions - $old) / $old | round / 100)}
        else {} end' "$1"
}

main() {
    parse_options "$@"
    work=$(mktemp -d)
    trap 'rm -rf -- "$work"' EXIT
    kernel_folder=$("$top/tools/get-kernel")
    kernel=$(ls -- "$kernel_folder"/boot/vmlinuz-*)
    plan_payload
    build_root "$work/root"
    planned_modules >"$work/root/etc/modules"
    make_disk "$work/disk"
    pack "$work/root" "$work/image.cpio"
    boot "$work/image.cpio" "$work/disk" >"$work/out" || die "the machine ended with status $?"
    figures "$work/out" >"$work/figures"
    [[ -s $work/figures ]] || die "no figures: $(tail -n 20 "$work/out")"
    compare "$work/figures"
    [[ -z $store ]] ||
        jq --slurp --arg kernel "${kernel##*/}" \
            '{$kernel} + (map({key: .what, value: .instructions}) | from_entries)' \
            "$work/figures" >"$stored"
}

main "$@"
