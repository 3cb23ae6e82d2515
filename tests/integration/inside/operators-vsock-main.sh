# tests/integration/inside/operators-vsock-main.sh - run in the machine of tests/integration/operators-vsock: a simulated VM
# that lets operators in over vsock, and operators who come there. Each command's status and output are one line.
# shellcheck shell=sh

# shellcheck source=tests/inside/say.sh
. /say.sh

far() { # IDENTITY COMMAND...
    who=$1
    shift
    bulkhead "$@" --connect 127.0.0.1:7443 --identity "/etc/bulkhead/pki/$who"
}

knock() {
    for _ in $(seq 200); do echo | socat - VSOCK-CONNECT:1:7443 >/dev/null 2>&1; done
}

ip link set lo up
run-sim --timeout 200 --operators vsock:7443 --pki /etc/bulkhead/pki \
    /opt/bulkhead/bulkhead-init /opt/bulkhead /usr/local/bin/simulator ms=150000 >/tmp/sim 2>&1 &
until grep -q idle /tmp/sim; do sleep 0.2; done
socat TCP-LISTEN:7443,bind=127.0.0.1,fork,reuseaddr VSOCK-CONNECT:1:7443 &
sleep 1
say ps far operator ps
say viewer far viewer restart vtpm
say restart far operator restart vtpm
knock
sleep 2
say strangers far operator inspect diag/network/strangers
say again far operator ps
