# tests/bench/inside/qemu-tpm.sh - QEMU's TPM, and how far Bulkhead's guest is. Before beside-qemu.sh.
# shellcheck shell=sh disable=SC2034,SC2154 # used, and set, by what follows

LEAST=$((3 * COUNT)) # commands of a round
SETTLED=1            # looks that find no more: it is over

start_devices() {
    mkdir -p "$work/tpm"
    swtpm socket --tpm2 --tpmstate dir="$work/tpm" --ctrl type=unixio,path="$work/swtpm.sock" --daemon
    devices="-chardev socket,id=swtpm,path=$work/swtpm.sock
        -tpmdev emulator,id=tpm,chardev=swtpm -device tpm-crb,tpmdev=tpm"
}

# TPM commands that Bulkhead's guest has sent.
progress() {
    bulkhead inspect vtpm/crb/commands | awk '$1 == "commands" { print $2 }'
}
