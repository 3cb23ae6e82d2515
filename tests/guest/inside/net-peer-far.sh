#!/bin/sh
#
# tests/guest/inside/net-peer-far.sh - the far end of the cable of test-net-peer.sh: serves a file until it is told to
# end. net-lib.sh comes before this.
# shellcheck shell=sh disable=SC2154

# What the near end may see: the file, its hash, that the kills here are over; and how it tells us to end.
serve() {
    mkdir -p /root/served/cgi-bin
    head -c "$BYTES" /dev/urandom >/root/served/file
    hash </root/served/file >/root/served/hash
    ln -s /run/vtl2-exec.status /root/served/killed
    printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\nbye"\ntouch /root/end\n' >/root/served/cgi-bin/end
    chmod +x /root/served/cgi-bin/end
    httpd -p 80 -h /root/served
}

check "link up" ip link set eth0 up
check "address" ip addr add 10.98.0.2/24 dev eth0
check "a server" serve
check "ping" wait_for 60 ping -c 1 -W 1 10.98.0.1
check "ping by IPv6" wait_for 20 ping6 -c 1 -W 1 "$NEAR%eth0"
check "the near end has all it wanted" wait_for 300 [ -e /root/end ]
check_no_complaints
finish
