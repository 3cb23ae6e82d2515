#!/usr/bin/env bash
#
# tests/guest/test-net-peer.sh - two VMs with a cable between them: pings, a file that comes out right while the net
# workers of both are killed, the end of one. KILLS (default 5).
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
inside_before=(lib.sh net-lib.sh)

readonly kills=${KILLS:-5} mib=${MIB:-16}
readonly near_work=$work far_work=$work/far

end_far() {
    [[ -z ${far:-} ]] || pkill -TERM -P "$far" || true
}
trap 'end_far; wait; rm -rf -- "$near_work"' EXIT

# The two of them, each with an end of the cable. The far one has a folder of its own.
# shellcheck disable=SC2030,SC2031 # $work is another one in the subshell
run_pair() {
    local common=(--vcpus 1 --memory 256M --add "$near_work/net-server" --vtl2-exec "$near_work/beside")
    (
        work=$far_work
        run_once "${common[@]}" --name "test-$$-far" --exec "$work/net-peer-far.sh" \
            --net "peer=$near_work/cable,mac=02:00:00:00:00:02"
        echo "$status" >"$work/status"
    ) &
    far=$!
    run_once "${common[@]}" --exec "$work/net-peer.sh" --net "peer=$near_work/cable,mac=02:00:00:00:00:01"
    # It has nobody to wait for any more.
    ! lost_to_emulation || end_far
    wait "$far"
    far=''
}

# With the variables of the far end.
at_far_end() { # COMMAND...
    local work=$far_work status
    status=$(<"$work/status")
    "$@"
}

mkdir "$far_work"
printf 'BYTES=%s NEAR=fe80::ff:fe00:1 FAR=fe80::ff:fe00:2\n' "$((mib << 20))" >"$work/net-server"
printf '#!/bin/sh\nWORKER=net KILLS=%s\n' "$kills" | cat - "$tests/beside/kill.sh" >"$work/beside"
make_script net-peer.sh
work=$far_work make_script net-peer-far.sh

for left in 2 1 0; do
    run_pair
    if ((left == 0)) || ! { lost_to_emulation || at_far_end lost_to_emulation; }; then break; fi
    echo "# lost to an emulated SVM: once more"
done
report_script "net, peer"
at_far_end report_script "net, peer, far end"
expect_match "net, peer: $kills kills of net" "vtl2: kills $kills" "$(<"$work/err")"
expect_match "net, peer, far end: $kills kills of net" "vtl2: kills $kills" "$(<"$far_work/err")"
expect_equal "net, peer: nothing is left of the cable" "" "$(find "$work" -name 'cable*')"
