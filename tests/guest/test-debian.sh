#!/usr/bin/env bash
#
# tests/guest/test-debian.sh - a whole Debian on a disk: to the login prompt, reboots, powers off.
# shellcheck disable=SC2016 # what is typed is for the shell of the guest
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# From the start of ./run to the prompt, on two cores that have nothing else to do.
readonly boot_seconds=${BOOT_SECONDS:-150}

type_line() { # LINE
    printf '%s\n' "$1" >&8
}

# Log in, when the prompt has been there that often.
log_in() { # TIMES
    await "$1" 'debian login: ' "$guest_timeout" || return
    type_line root
    await "$1" 'root@debian:~#' "$guest_timeout"
}

test_boot() {
    local started=$SECONDS
    start_vm --vcpus 2 --disk "$work/debian.img"
    await 1 'debian login: ' "$guest_timeout" || true
    printf '# login prompt after %d s\n' $((SECONDS - started))
    if ((SECONDS - started <= boot_seconds)); then
        ok "Debian boots from its disk to a login prompt within $boot_seconds s"
    else
        not_ok "Debian boots from its disk to a login prompt within $boot_seconds s" "$work/console"
    fi
    if log_in 1; then ok "root logs in"; else not_ok "root logs in" "$work/console"; fi
}

# What is typed is echoed: the words that are waited for are put together by the guest's shell.
test_system() {
    type_line 'echo root is $(findmnt -n -o SOURCE,FSTYPE /), systemd $(systemctl is-system-running --wait)'
    if await 1 'root is /dev/sda ext4, systemd running' "$guest_timeout"; then
        ok "root is /dev/sda, no unit failed"
    else
        type_line 'systemctl --failed --no-pager'
        sleep 10
        not_ok "root is /dev/sda, no unit failed" "$work/console"
    fi
    type_line 'echo kept $((6 * 7)) >/root/file; reboot'
}

test_reboot() {
    local started=$SECONDS
    if log_in 2; then
        ok "after a reboot it is there again"
    else
        not_ok "after a reboot it is there again" "$work/console"
    fi
    printf '# root logs in again after %d s\n' $((SECONDS - started))
    type_line 'echo file $(cat /root/file), $(dmesg | grep -c -i -E "storvsc.*(err|fail)|I/O error|ext4.*(error|warn)") errors'
    if await 1 'file kept 42, 0 errors' "$guest_timeout"; then
        ok "with the same disk"
    else
        not_ok "with the same disk" "$work/console"
    fi
}

test_power_off() {
    type_line poweroff
    wait_vm
    expect_equal "it powers off" 0 "$status"
    expect_equal "its file system is clean" 0 "$(e2fsck -f -n "$work/debian.img" >"$work/fsck" 2>&1; echo $?)"
}

# The least size; and what has no room for it leaves nothing.
test_sizes() {
    "$top/tools/make-debian-image" --size 1G "$work/least.img"
    expect_equal "an image of 1G is whole" 0 "$(e2fsck -f -n "$work/least.img" >"$work/fsck" 2>&1; echo $?)"
    rm "$work"/least.img*
    mkdir "$work/small"
    mount -t tmpfs -o size=64M none "$work/small"
    status=0
    "$top/tools/make-debian-image" "$work/small/debian.img" 2>"$work/err" || status=$?
    expect_equal "no room for an image: nothing of it stays" "1 " "$status $(ls "$work/small")"
    umount "$work/small"
}

"$top/tools/make-debian-image" "$work/debian.img"
test_sizes
test_boot
test_system
test_reboot
test_power_off
