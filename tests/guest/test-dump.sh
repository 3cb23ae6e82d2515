#!/usr/bin/env bash
#
# tests/guest/test-dump.sh - a Debian kernel is dumped by a debugger over the network, and tools that are not ours open the dump:
# makedumpfile finds the kernel's log by what the kernel says of itself; crash, where the kernel's debug symbols are
# (tools/get-kernel --symbols), its processes too.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
trap 'kill "${vm:-}" 2>/dev/null || true; rm -rf -- "$work"' EXIT

port=$((20000 + $$ % 10000))
canary=dump-$(cat /proc/sys/kernel/random/uuid)-canary
"$top/tools/install-deps" 2>/dev/null
"$top/tools/build" programs 2>/dev/null
"$top/build/cli/bulkhead" pki init --dir "$work/pki" --host 127.0.0.1 >/dev/null
"$top/build/cli/bulkhead" pki issue --dir "$work/pki" --role debugger dora >/dev/null
cat >"$work/script" <<END
#!/bin/sh
sleep 1001 &
echo "$canary" >/dev/kmsg
echo ready
sleep 300
END

as_dora() { # PATH
    curl --silent --show-error --fail --cacert "$work/pki/ca.pem" --cert "$work/pki/dora.pem" --key "$work/pki/dora-key.pem" \
        "https://127.0.0.1:$port$1"
}

"$top/run" --name "test-$$" --timeout "$guest_timeout" --memory 128M --operators "127.0.0.1:$port" --pki "$work/pki" \
    --exec "$work/script" >"$work/out" 2>"$work/err" </dev/null &
vm=$!
end=$((SECONDS + guest_timeout))
until grep -q ready "$work/out" || ((SECONDS > end)); do
    kill -0 "$vm" 2>/dev/null || { not_ok "dump: the guest runs" "$work/err" && exit 1; }
    sleep 0.5
done
status=0
as_dora /v1/vm/dump >"$work/core" 2>"$work/curl" || status=$?
expect_equal "dump: it comes over the network" 0 "$status"
expect_equal "dump: all of the guest's memory" "$(printf '0x%06x' $((128 << 20)))" \
    "$(readelf --wide --program-headers "$work/core" | awk '$1 == "LOAD" { print $6 }')"
kill "$vm"
wait "$vm" || true

makedumpfile --dump-dmesg "$work/core" "$work/dmesg" >"$work/makedumpfile" 2>&1 || true
expect_equal "dump: makedumpfile finds the kernel's log in it" 1 "$(grep -c "$canary" "$work/dmesg")"
expect_match "dump: from its first line on" '\] Linux version [0-9]' "$(head -n 1 "$work/dmesg")"

if vmlinux=$("$top/tools/get-kernel" --have-symbols 2>/dev/null); then
    # Its own list of processes (ps) lacks those of newer 6.1 kernels, whose struct pid it does not know.
    printf 'sys\nlog\nlist task_struct.tasks -s task_struct.comm -h init_task\nquit\n' >"$work/commands"
    crash -s -i "$work/commands" "$vmlinux" "$work/core" >"$work/crash" 2>&1 </dev/null || true
    expect_match "dump: crash opens it" 'RELEASE: [0-9]' "$(<"$work/crash")"
    expect_equal "dump: and reads the log" 1 "$(grep -c "$canary" "$work/crash")"
    expect_match "dump: and the processes" 'comm = "sleep' "$(<"$work/crash")"
else
    echo "# crash did not look at it: no debug symbols (tools/get-kernel --symbols, 280 MB)"
fi
