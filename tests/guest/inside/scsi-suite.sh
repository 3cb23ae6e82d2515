#!/bin/sh
#
# tests/guest/inside/scsi-suite.sh - libiscsi's tests of SCSI units on a disk, through Linux's sg driver: those
# for Linux, and those about reservations and states that need no second initiator.
#
# Each test is a check. A test skips what the unit says it does not support. What fails is in this list,
# with the reason; one of the list that passes fails here, so that the list stays true.

readonly known='
Inquiry.EVPD the Linux driver takes every INQUIRY for good
Inquiry.BlockLimits SBC-3 pages, and no version descriptor that claims SBC-3
Verify10.Simple BYTCHK is not supported
Verify10.BeyondEol BYTCHK is not supported
Verify10.ZeroBlocks BYTCHK is not supported
Verify10.Flags BYTCHK is not supported
Verify10.Mismatch BYTCHK is not supported
Verify12.Simple BYTCHK is not supported
Verify12.BeyondEol BYTCHK is not supported
Verify12.ZeroBlocks BYTCHK is not supported
Verify12.Flags BYTCHK is not supported
Verify12.Mismatch BYTCHK is not supported
Verify16.Simple BYTCHK is not supported
Verify16.BeyondEol BYTCHK is not supported
Verify16.ZeroBlocks BYTCHK is not supported
Verify16.Flags BYTCHK is not supported
Verify16.Mismatch BYTCHK is not supported
WriteVerify10.Simple BYTCHK is not supported
WriteVerify10.BeyondEol BYTCHK is not supported
WriteVerify10.Flags BYTCHK is not supported
WriteVerify10.Dpo BYTCHK is not supported
WriteVerify12.Simple BYTCHK is not supported
WriteVerify12.BeyondEol BYTCHK is not supported
WriteVerify12.Flags BYTCHK is not supported
WriteVerify12.Dpo BYTCHK is not supported
WriteVerify16.Simple BYTCHK is not supported
WriteVerify16.BeyondEol BYTCHK is not supported
WriteVerify16.Flags BYTCHK is not supported
WriteVerify16.Dpo BYTCHK is not supported
WriteSame10.UnmapUntilEnd it unmaps with a block of FFh, which is data to be written (SBC-3 5.44)
'

# Unmap.Simple, which unmaps 33,000 single blocks one by one, takes minutes on an emulated CPU.
families() {
    iscsi-test-cu --list | sed -n '/^LINUX.Unmap/d; s/^\(LINUX\.[A-Za-z0-9]*\)$/\1/p'
    echo LINUX.Unmap.VPD
    echo LINUX.Unmap.ZeroBlocks
    for suite in PrinReadKeys PrinReportCapabilities PrinServiceactionRange ProutRegister ProutReserve \
        ProutClear ProutPreempt StartStopUnit PreventAllow Read6; do
        echo "SCSI.$suite"
    done
}

# "SUITE.TEST passed|skipped|failed" a line. What a test says stands between its name and its result.
results() {
    awk '
        function tell() { if (test != "") print suite "." test, result; test = "" }
        / *Suite: / { tell(); suite = $2 }
        / *Test: / { tell(); test = $2; result = "none" }
        test != "" && /SKIPPED/ { result = "skipped" }
        test != "" && /passed *$/ && result == "none" { result = "passed" }
        test != "" && /FAILED *$/ { result = "failed" }
        /^Run Summary/ { tell() }'
}

run_suites() {
    for family in $(families); do
        echo "# $family" >&3
        iscsi-test-cu --dataloss --test="$family" /dev/sg0 2>&1
    done
}

judge() { # TEST RESULT
    reason=$(printf '%s\n' "$known" | sed -n "s/^$1 //p")
    if [ -n "$reason" ]; then
        check_equal "$1: known to fail: $reason" failed "$2"
    else
        [ "$2" = passed ] || [ "$2" = skipped ]
        verdict $? "$1 $2"
    fi
}

run_suites 3>&1 >suites.out
results <suites.out >results.out
while read -r test result; do
    judge "$test" "$result"
done <results.out
check "more than 80 tests ran" [ "$(grep -c passed results.out)" -gt 80 ]
grep -o '\[FAILED\].*' suites.out | sort | uniq -c | sort -rn | head -n 40 | sed 's/^/# /'
finish
