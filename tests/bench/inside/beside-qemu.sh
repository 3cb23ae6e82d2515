#
# tests/bench/inside/beside-qemu.sh - in the outer machine, beside Bulkhead: QEMU runs the same guest. They
# take turns: when Bulkhead's guest has done a round, Bulkhead is stopped, and this one does a round.
#
# guest.sh puts ROUNDS, COUNT, VCPUS and qemu-*.sh before this. COM1 of the guest is a pair of pipes,
# COM2 and COM3 are files.
# shellcheck shell=sh disable=SC2154 # set by what comes before

work=/tmp/qemu
mkdir -p $work
mkfifo $work/com1.in $work/com1.out

start_guest() {
    start_devices
    # Not on the first CPU, where Bulkhead has no vCPU either (init/first_cpu.h).
    # shellcheck disable=SC2086 # several words
    taskset fffffffe qemu-system-x86_64 -no-user-config -nodefaults -display none -no-reboot \
        -machine pc -accel kvm -cpu host -smp "$VCPUS" -m 768 \
        -kernel /boot/guest-kernel -initrd /boot/guest-initrd \
        -append "console=ttyS0 quiet panic=-1 bench.who=qemu bench.count=$COUNT" \
        -chardev pipe,id=com1,path=$work/com1 -serial chardev:com1 \
        -serial file:$work/com2 -serial file:$work/com3 $devices 2>&1 &
    qemu=$!
    cat $work/com1.out >$work/com1.log &
    exec 7>$work/com1.in
}

# An emulated SVM now and then loses a guest, QEMU's too.
give_up() {
    turn CONT
    echo "QEMU's guest ended by itself:"
    tail -n 5 $work/com1.log
    exit 1
}

await_lines() { # REGEX N, from QEMU's guest
    while [ "$(grep -c "$1" $work/com2 2>/dev/null)" -lt "$2" ]; do
        kill -0 $qemu 2>/dev/null || give_up
        sleep 0.2
    done
}

# A round has begun when there are many requests, and is over when there are no more.
await_other_round() { # PROGRESS-BEFORE
    last=
    same=0
    now=$(progress)
    while [ "$now" -lt $(($1 + LEAST)) ] || [ "$same" -lt "$SETTLED" ]; do
        sleep 0.3
        last=$now
        now=$(progress)
        same=$((now == last ? same + 1 : 0))
    done
}

# The supervisor's threads are Bulkhead's vCPUs.
supervisor() {
    for folder in /proc/[0-9]*; do
        [ "$(cat "$folder/comm" 2>/dev/null)" != bulkhead-superv ] || echo "${folder#/proc/}"
    done
}

turn() { # STOP: QEMU's guest; CONT: Bulkhead's
    kill -"$1" "$(supervisor)"
}

turn STOP
: >$work/com2 # so that there is something to count
start_guest
await_lines '^ready' 1
seen=0
turn CONT
for round in $(seq "$ROUNDS"); do
    await_other_round "$seen"
    seen=$(progress)
    turn STOP
    echo go >&7
    await_lines '^round' "$round"
    turn CONT
done
grep '^{' $work/com2
echo end >&7
