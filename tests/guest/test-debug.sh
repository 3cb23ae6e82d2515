#!/usr/bin/env bash
#
# tests/guest/test-debug.sh - a Debian kernel is paused, debugged by GDB, and dumped.
#
# GDB runs beside Bulkhead, as an operator's does, so it is packed with the script that runs there.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# GDB and its libraries, as one folder.
pack_gdb() { # FILE
    local folder=$work/gdb package
    package=$("$top/tools/get-package" gdb-minimal | tail -n 1)
    mkdir "$folder"
    cp -- "$package/own/usr/bin/gdb" "$folder/gdb"
    LD_LIBRARY_PATH=$package/all/usr/lib/x86_64-linux-gnu ldd "$folder/gdb" |
        sed -n 's/.* => \(.*\) (.*/\1/p' | xargs cp -L -t "$folder"
    cp -L /lib64/ld-linux-x86-64.so.2 "$folder/ld.so"
    tar --create --gzip --file "$1" --directory "$folder" .
}

address() { # NAME
    sed -n "s/^address $1 //p" "$work/out" | head -n 1
}

said() { # PATTERN
    sed -n "s/^vtl2: $1/\1/p" "$work/err" | tr -d '\r'
}

pack_gdb "$work/gdb.tar.gz"
run_bulkhead --exec "$tests/inside/debug-address.sh" --append nokaslr
function=$(address __x64_sys_newuname)
banner=$(address linux_banner)
expect_match "debug: the kernel says where it is" '^ffffffff8[0-9a-f]{7} ffffffff8[0-9a-f]{7}$' "$function $banner"
{
    printf '#!/bin/sh\nFUNCTION=%s BANNER=%s\n' "$function" "$banner"
    cat "$tests/beside/debug.sh"
    echo PACKED
    cat "$work/gdb.tar.gz"
} >"$work/beside"
chmod +x "$work/beside"

check_in_guest "debug" debug.sh --vtl2-exec "$work/beside" --append nokaslr --memory 256M
expect_equal "debug: it was paused, went on, and went on after GDB" "paused running running" \
    "$(said 'state: \(.*\)' | xargs)"
expect_match "debug: no exit while it was paused" '^0$' "$(said 'exits while paused: \(.*\)')"
expect_match "debug: GDB reads the kernel's text" "$(sed -n 's/^\(Linux version [^ ]*\).*/\1/p' "$work/out")" \
    "$(said 'gdb: \(0x.*Linux version.*\)')"
expect_equal "debug: it stops at the function" "0x$function" "$(said 'gdb: stopped at \(.*\)')"
expect_match "debug: it steps" '^0xffffffff8' "$(said 'gdb: stepped to \(.*\)')"
if [[ $(said 'gdb: stepped to \(.*\)') == "0x$function" ]]; then
    not_ok "debug: away from there" "$work/err"
else
    ok "debug: away from there"
fi
expect_equal "debug: it stops there again" "0x$function" "$(said 'gdb: stopped again at \(.*\)')"
expect_equal "debug: the dump" 0 "$(said 'dump: \(.*\)')"
expect_equal "debug: it has what the guest wrote" "$(sed -n 's/^marker //p' "$work/out")" \
    "$(said 'marker in the dump: *[0-9]* \(.*\)')"
said 'head: \(.*\)' | base64 --decode | gunzip >"$work/core"
expect_match "debug: an ELF core" 'CORE \(Core file\)' "$(readelf -h "$work/core" 2>/dev/null)"
expect_match "debug: with the vCPU's registers" 'NT_PRSTATUS' "$(readelf -n "$work/core" 2>/dev/null)"
expect_match "debug: and the kernel's word about itself" "OSRELEASE=$(sed -n 's/^Linux version \([^ ]*\).*/\1/p' "$work/out")" \
    "$(strings "$work/core")"
