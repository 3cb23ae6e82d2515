# tests/bench/inside/qemu-disk.sh - QEMU's disk, and how far Bulkhead's guest is. Before beside-qemu.sh.
#
# Bulkhead has both of the outer machine's disks; its guest uses the first one, QEMU's the second.
# shellcheck shell=sh disable=SC2034,SC2154 # used, and set, by what follows

LEAST=100 # requests of a round
SETTLED=5 # looks that find no more: fio takes a while to begin

start_devices() {
    cat /dev/vda /dev/vdb >/dev/null # both are in memory
    devices="-blockdev driver=host_device,node-name=disk,filename=/dev/vdb,aio=io_uring,locking=off
        -device virtio-blk-pci,drive=disk"
}

# Requests of Bulkhead's guest.
progress() {
    bulkhead inspect 'storage/disk/0:0/*/ops' | awk '$1 == "ops" { n += $2 } END { print n + 0 }'
}
