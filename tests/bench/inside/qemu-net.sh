# tests/bench/inside/qemu-net.sh - QEMU's NIC, and how far Bulkhead's guest is. Before beside-qemu.sh.
#
# Bulkhead has both of the outer machine's cards; its guest uses the first one. QEMU gets the second: the link that
# Bulkhead has over it goes, and another comes.
# shellcheck shell=sh disable=SC2034,SC2154 # used, and set, by what follows

LEAST=100 # frames of a round
SETTLED=6  # looks that find no more: iperf3 takes a while to begin

start_devices() {
    for over in /sys/class/net/guest*; do link=${over##*/}; done
    card=$(cat "/sys/class/net/$link/iflink")
    for folder in /sys/class/net/*; do
        [ "$(cat "$folder/ifindex")" != "$card" ] || lower=${folder##*/}
    done
    iproute2 link delete "$link"
    iproute2 link add link "$lower" name qemu0 type macvtap mode passthru
    iproute2 link set qemu0 up
    exec 9<>"/dev/tap$(cat /sys/class/net/qemu0/ifindex)"
    devices="-netdev tap,id=net,fd=9,vhost=off
        -device virtio-net-pci,netdev=net,romfile=,mac=$(cat /sys/class/net/qemu0/address)"
}

# Frames of Bulkhead's guest.
progress() {
    bulkhead inspect 'net/nic0/*/frames' | awk '$1 == "frames" { n += $2 } END { print n + 0 }'
}
