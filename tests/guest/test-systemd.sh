#!/usr/bin/env bash
#
# tests/guest/test-systemd.sh - VMs as services: a Debian with systemd, on a machine that QEMU emulates, starts, services, kills and
# stops a VM by the unit that is installed.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tools/lib.sh
source "$top/tools/lib.sh"
# shellcheck source=tools/image.sh
source "$top/tools/image.sh"

# What the machine's initramfs does: Debian's own has no virtio.
make_initramfs() { # KERNEL-FOLDER ARCHIVE
    plan=()
    plan_file "$tests/inside/systemd-initramfs.sh" /init
    plan_busybox
    plan_modules "$1" virtio_pci virtio_blk ext4 kvm_amd
    build_root "$work/initramfs"
    planned_modules >"$work/initramfs/etc/modules"
    pack "$work/initramfs" "$2"
}

# The guest says that it is up, and then only waits.
make_guest() { # FOLDER
    plan=()
    plan_file "$tests/inside/systemd-guest.sh" /init
    plan_busybox
    build_root "$work/guest"
    pack "$work/guest" "$1/guest.cpio"
}

# A second disk: Bulkhead as `meson install` lays it out, a guest, and what is to be done.
make_payload() { # KERNEL DISK
    mkdir "$work/payload"
    DESTDIR=$work/payload meson install -C "$top/build" --no-rebuild --quiet
    make_guest "$work/payload"
    cp -- "$1" "$work/payload/vmlinuz"
    cp -- "$tests/inside/systemd-machine.sh" "$work/payload/machine"
    cp -- "$top/tests/inside/say.sh" "$work/payload"
    mkfs.ext4 -q -d "$work/payload" "$2" 256M >/dev/null
}

boot() { # KERNEL
    timeout "$guest_timeout" qemu-system-x86_64 -name systemd -no-user-config -nodefaults -display none -no-reboot \
        -machine pc,hpet=off -accel tcg,thread=multi -cpu EPYC,svm=on -smp 2 -m 2048 -kernel "$1" -initrd "$work/initramfs.cpio" \
        -append 'console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable systemd.run=/mnt/machine systemd.run_success_action=reboot-force systemd.run_failure_action=reboot-force' \
        -drive "if=virtio,format=raw,snapshot=on,file=$work/debian.img" -drive "if=virtio,format=raw,readonly=on,file=$work/payload.img" \
        -serial stdio </dev/null 2>"$work/warnings" | tr -d '\r' >"$work/console"
}

expect_line() { # NAME REGEX
    if grep -a -q -E -e "$2" "$work/console"; then ok "$1"; else not_ok "$1" "$work/console"; fi
}

kernel_folder=$("$top/tools/get-kernel")
kernel=$(ls -- "$kernel_folder"/boot/vmlinuz-*)
"$top/tools/make-debian-image" "$work/debian.img"
make_initramfs "$kernel_folder" "$work/initramfs.cpio"
make_payload "$kernel" "$work/payload.img"
boot "$kernel"
if grep -a -q '^lost 0 [1-9]' "$work/console"; then # lib.sh says to what
    echo "# lost to an emulated SVM: once more"
    boot "$kernel"
fi
expect_line "systemctl start returns when the VM runs" '^start 0 active$'
expect_line "its console is in the journal" '^console 0 .*guest is up$'
expect_line "all processes run, looked at" '^processes 0 .*supervisor.*running.*vtpm.*running.*uid 64003'
expect_line "a device that is killed is there again" '^killed 0 .*vtpm.*running.* 2 +1 '
expect_line "a VM that died whole is started again" '^again 0 2 active$'
expect_line "systemctl stop ends it" '^stop 0 inactive$'
expect_line "and nothing of it is left" '^left 0 0$'
expect_line "systemd finds no fault with the unit" '^failed 0 0$'
