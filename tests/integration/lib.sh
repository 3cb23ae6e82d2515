# tests/integration/lib.sh - helpers for tests of `bulkhead run` with programs in the place of those that it
# starts. Sourced by the scripts beside it; each has a folder $work of its own.
# shellcheck shell=bash disable=SC2034

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
failed=0

check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@"; then
        printf 'ok %s\n' "$name"
    else
        printf 'not ok %s\n' "$name"
        sed 's/^/# /' "$work/err"
        failed=1
    fi
}

# A kernel image as far as the checks look: what they want is within its first 0x268 bytes.
make_kernel() { # FILE
    local put
    truncate --size $((0x268)) "$1"
    while read -r at put; do
        printf '%b' "$put" | dd of="$1" bs=1 seek=$((at)) conv=notrunc status=none
    done <<'END'
0x1fe \x55\xaa
0x202 HdrS\x0f\x02
0x211 \x01
0x236 \x01
END
}
