#!/bin/sh
#
# tests/guest/inside/rtc.sh - the clock and its alarm as Debian's kernel uses them.

rtc=/sys/class/rtc/rtc0

# How often the clock interrupted, on all CPUs together.
interrupts() {
    awk '/rtc0$/ { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$/) n += $i } END { print n + 0 }' \
        /proc/interrupts
}

check_driver() {
    driver=$(readlink $rtc/device/driver)
    check_equal "rtc_cmos is bound" rtc_cmos "${driver##*/}"
    check "it has interrupt 8" grep -q '^ *8: .*rtc0$' /proc/interrupts
}

check_time() {
    check "hwclock reads it" hwclock -r -u
    difference=$(($(date +%s) - $(cat $rtc/since_epoch)))
    [ "$difference" -ge -60 ] && [ "$difference" -le 60 ] # a busy machine may take its time
    verdict $? "it has the time of the guest's own clock"
}

# An alarm that has come is no longer set.
await_alarm() {
    tries=0
    until [ -z "$(cat $rtc/wakealarm)" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 120 ] || return 1
        sleep 1
    done
}

check_alarm() {
    for n in 1 2; do
        before=$(interrupts)
        check "alarm $n is set" sh -c "echo +3 >$rtc/wakealarm"
        check "alarm $n comes" await_alarm
        check_equal "alarm $n was one interrupt" $((before + 1)) "$(interrupts)"
    done
}

check_log() {
    complaints=$(dmesg | grep -i rtc | grep -i -E 'err|fail|time.?out|unable|bug|warn|lost')
    check_equal "no complaint about it in the kernel log" "" "$complaints"
}

check_driver
check_time
check_alarm
check_log
finish
