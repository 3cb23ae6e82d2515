#!/bin/sh
#
# tests/guest/inside/systemd-machine.sh - run by systemd in the machine of test-systemd.sh: a VM is started as a service, one of its
# processes killed, and it is stopped. Each step's status and output are a line on the console.

# shellcheck source=tests/inside/say.sh
. /mnt/say.sh

until_it_says() { # TEXT COMMAND...
    wanted=$1
    shift
    for i in $(seq 100); do
        "$@" | grep "$wanted" && return
        sleep 1
    done
    echo "after $i tries: no $wanted"
    return 1
}

start() {
    systemctl start bulkhead@vm1 || { systemctl status --no-pager -l bulkhead@vm1; return 1; }
    systemctl is-active bulkhead@vm1
}

pids_of() { # NAME
    for comm in /proc/[0-9]*/comm; do
        read -r found <"$comm"
        pid=${comm%/comm}
        [ "$found" != "$1" ] || echo "${pid#/proc/}"
    done 2>/dev/null | sort -n
}

# The older one: a spare stands by.
kill_one() {
    kill -9 "$(pids_of bulkhead-vtpm | head -n 1)"
    sleep 3
    bulkhead ps --name vm1
}

ups() {
    journalctl --no-pager -o cat -u bulkhead@vm1 | grep -c "guest is up"
}

kill_all() {
    kill -9 "$(systemctl show --property MainPID --value bulkhead@vm1)"
    until_it_says 2 ups && systemctl is-active bulkhead@vm1
}

stop() {
    systemctl stop bulkhead@vm1
    systemctl show --property ActiveState --value bulkhead@vm1
}

left() {
    pids_of bulkhead-init | wc -l
}

lost() {
    journalctl --no-pager -o cat -u bulkhead@vm1 | grep -c "triple fault"
}

failed_units() {
    systemctl list-units --failed --no-legend 'bulkhead@*' | wc -l
}

exec >/dev/console 2>&1
cp -a /mnt/usr/. /usr/
mkdir -p /etc/bulkhead
cat >/etc/bulkhead/vm1.json <<END
{"kernel": "/mnt/vmlinuz", "initrd": "/mnt/guest.cpio", "vcpus": 1, "memory": "256M", "mode": "hosted",
 "append": "quiet"}
END
# An emulated SVM loses guests on the first CPU (init/first_cpu.c).
mkdir -p /etc/systemd/system/bulkhead@.service.d
printf '[Service]\nCPUAffinity=1\n' >/etc/systemd/system/bulkhead@.service.d/emulated.conf
systemctl daemon-reload
say start start
say console until_it_says "guest is up" journalctl --no-pager -o cat -u bulkhead@vm1
say processes bulkhead ps --name vm1
say killed kill_one
say again kill_all
say stop stop
say left left
say failed failed_units
say lost lost
