#!/usr/bin/env bash
#
# tests/guest/test-upgrade.sh - every process is replaced by one of another build, by `bulkhead upgrade`, as a newer package does it,
# while an unmodified guest runs fio, one TCP stream and TPM commands: no error, nothing lost. Prints how long each of them ever
# had to wait; no time is a failure.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/guest/serve.sh
source "$tests/serve.sh"
inside_before=(lib.sh net-lib.sh)
trap 'kill "${server:-}" 2>/dev/null; rm -rf -- "$work"' EXIT

readonly names=(chipset vtpm vmbus storage net diag)
readonly byte=a5 # of the builds that come, in the place of the first one of the build id

# Where a program's build id is, in the file as the image has it.
build_id_at() { # PROGRAM
    strip --strip-unneeded -o "$work/stripped" "$1"
    echo $((16 + 16#$(readelf --wide --section-headers "$work/stripped" |
        sed -n 's/.*\.note\.gnu\.build-id *NOTE *[0-9a-f]* \([0-9a-f]*\) .*/\1/p')))
}

make_beside() {
    local program
    printf '#!/bin/sh\nBYTE=%s\nPROGRAMS="' "$byte"
    for program in "$top"/build/{init,supervisor,workers}/bulkhead-*; do
        [[ ! -f $program || ! -x $program ]] || printf '%s ' "${program##*/}:$(build_id_at "$program")"
    done
    printf '"\n'
    cat "$tests/beside/upgrade.sh"
}

told() { # WHAT
    sed -n "s/^vtl2: $1: //p" "$work/err" | tr -d '\r' | head -n 1
}

# Of each process, one a line.
each() { # before|after JQ-EXPRESSION
    told "$1" | jq --raw-output ".[] | select(.name != \"supervisor\") | .name + \" \" + ($2 | tostring)" 2>/dev/null
}

serve 1
printf '#!/bin/sh\nprintf "Content-Type: application/octet-stream\\r\\n\\r\\n"\nexec "%s" write\n' \
    "$top/build/tests/guest/number_stream" >"$work/served/cgi-bin/stream"
chmod +x "$work/served/cgi-bin/stream"
make_beside >"$work/beside"
truncate -s 64M "$work/disk.img"
check_in_guest "upgrade" upgrade.sh --vtl2-exec "$work/beside" --vcpus 2 --memory 768M --add-package fio \
    --disk "$work/disk.img,serial=UPGRADE" --net user,loopback --add "$work/net-server" \
    --add "$top/build/tests/guest/extend_loop" --add "$top/build/tests/guest/number_stream"
expect_equal "upgrade: every process is replaced" \
    "$(printf '%s replaced\n' "${names[@]}" && echo 'debug will start as the new one')" \
    "$(told upgrade | jq --raw-output '.[] | .process + " " + .result' 2>/dev/null)"
expect_equal "upgrade: by one of the new build" "$(printf "%s $byte\n" "${names[@]}")" "$(each after '.build_id[:2]')"
expect_equal "upgrade: once" "$(each before '.restarts + 1')" "$(each after .restarts)"
read -r _ extends _ pcr < <(grep '^extends' "$work/out" || echo none none none none)
expect_equal "upgrade: the PCR equals the model after $extends extends" \
    "$([[ $extends == none ]] || "$tests/model-pcr" "$extends")" "$pcr"
