# tests/bench/inside/guest-net.sh - a round is iperf3 in each direction, with the server on the host's side. Before
# rounds.sh, in the guest.
# shellcheck shell=sh disable=SC2034,SC2154 # used, and set, by what follows

readonly PAUSE=20 SERVER=10.99.0.1 ADDRESS=10.99.0.2

prepare() {
    ip link set eth0 up
    ip addr add $ADDRESS/24 dev eth0
    for _ in $(seq 50); do
        ! ping -c 1 -W 1 $SERVER >/dev/null 2>&1 || return 0
    done
    echo "$SERVER does not answer" >&2
    return 1
}

# Bits a second that arrived.
to_json() { # WHAT
    sed -n '/"sum_received":/,/}/s/.*"bits_per_second":[^0-9]*\([0-9]*\).*/\1/p' |
        awk -v who="$(word who)" -v what="$1" '
            { good++; printf "{\"bench\":\"guest-net\",\"who\":\"%s\",\"what\":\"%s\",\"bits_per_s\":%d}\n", who, what, $1 }
            END { exit good != 1 }'
}

round() {
    for what in send receive; do
        option=
        [ $what = send ] || option=--reverse
        TMPDIR=/root timeout 60 iperf3 --json --time "$(word count)" --omit 1 --client $SERVER $option |
            to_json $what || return
    done
}
