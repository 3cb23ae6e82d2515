#!/bin/sh
#
# tests/guest/inside/hyperv.sh - what Debian's kernel makes of Hyper-V's surface. hv_vmbus is loaded.

logged() { # PATTERN
    dmesg | grep -q -E "$1"
}

# How often the hypervisor interrupted, on all CPUs together.
interrupts() {
    awk '$1 == "HYP:" { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$/) n += $i } END { print n + 0 }' \
        /proc/interrupts
}

check_detected() {
    check "it is Hyper-V" logged 'Hypervisor detected: Microsoft Hyper-V$'
    check "and nothing else" sh -c "! dmesg | grep -i -E 'kvm-clock|kvm-guest|hypervisor detected: kvm'"
    check "which deprecates automatic EOIs" logged 'Hyper-V: privilege flags .* hints 0x220,'
    check "the TSC's rate is known without a calibration" sh -c \
        "! dmesg | grep -i 'tsc: .*calibrat'"
}

check_clock() {
    clock=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)
    case $clock in
        tsc | hyperv_clocksource_tsc_page) verdict 0 "its clock makes no exit" ;;
        *) check_equal "its clock makes no exit" tsc "$clock" ;;
    esac
    check "timers are the local APIC's" logged 'TSC deadline timer available'
}

check_vmbus() {
    check "VMBus is connected, by the version we prefer" logged 'hv_vmbus: Vmbus version:5\.3$'
    check "the bus is there" test -d /sys/bus/vmbus/devices
    check "its messages came by interrupts" test "$(interrupts)" -gt 0
}

# Takes the pages away from SynIC on every CPU, and gives it others.
check_again() {
    before=$(interrupts)
    check "VMBus can be left" rmmod hv_vmbus
    check "and its bus is gone" test ! -e /sys/bus/vmbus
    check "and it can be joined again" insmod /root/hv_vmbus.ko
    check "and answers again" test "$(interrupts)" -gt "$before"
}

check_log() {
    complaints=$(dmesg | grep -E 'WARNING: CPU|BUG:|Call Trace|unchecked MSR|hv_vmbus: .*(fail|nable|err)')
    check_equal "no complaint in the kernel log" "" "$complaints"
}

check_detected
check_clock
check_vmbus
check_again
check_log
finish
