# tests/guest/serve.sh - a web server for a guest, on the host's loopback, which `--net user,loopback` shows it at the router's address.
# Sourced after lib.sh.
# shellcheck shell=bash disable=SC2034,SC2154

# Serves file, of that many MiB, small, and cgi-bin/hash, which says the hash of what is posted to it, at that
# address, by that command before it. What the guest must know of it is in $work/net-server. Sets $port and $server.
serve() { # MIB [ADDRESS COMMAND...]
    local left=50 size=$1 address=${2:-127.0.0.1}
    local before=("${@:3}")
    mkdir "$work/served"
    head -c "${size}M" /dev/urandom >"$work/served/file"
    printf hello >"$work/served/small"
    mkdir "$work/served/cgi-bin"
    # shellcheck disable=SC2016 # for the shell of the script
    printf '%s\n' '#!/bin/sh' 'printf "Content-Type: text/plain\r\n\r\n"' \
        'head -c "$CONTENT_LENGTH" | sha256sum | cut -d " " -f 1' >"$work/served/cgi-bin/hash"
    chmod +x "$work/served/cgi-bin/hash"
    port=$((20000 + RANDOM % 20000))
    "${before[@]}" busybox httpd -f -p "$address:$port" -h "$work/served" &
    server=$!
    until "${before[@]}" busybox wget -q -O /dev/null "http://$address:$port/small" 2>/dev/null || ((left-- == 0)); do
        sleep 0.1
    done
    printf 'PORT=%s BYTES=%s HASH=%s\n' "$port" "$((size << 20))" \
        "$(sha256sum <"$work/served/file" | cut -d ' ' -f 1)" >"$work/net-server"
}

start_iperf3() {
    "${iperf3_server[@]}" >"$work/iperf3" 2>&1 &
    iperf3=$!
}

# An iperf3 at that address, by that command before it. Sets $iperf3.
serve_iperf3() { # ADDRESS [COMMAND...]
    local iperf3_port=$((40001 + RANDOM % 10000))
    iperf3_server=("${@:2}" iperf3 --server --bind "$1" --port "$iperf3_port")
    printf 'IPERF3_PORT=%s\n' "$iperf3_port" >>"$work/net-server"
    start_iperf3
}

# The iperf3 of before may wait for the guest that is lost.
before_another_try() {
    [[ -n ${iperf3:-} ]] || return 0
    kill "$iperf3" 2>/dev/null || true
    wait "$iperf3" || true
    start_iperf3
}

# A name server on the host's loopback, which the test's programs, and nobody else, take for the host's own. It asks
# that one for all but $NAME. Sets $names and $around.
serve_names() {
    local address=127.77.0.53 left=50 name=guest.bulkhead.test
    dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --log-facility=- --no-hosts \
        --bind-interfaces --listen-address="$address" --local="/$name/" \
        --address="/$name/203.0.113.77" --address="/$name/2001:db8::77" >"$work/names" 2>&1 &
    names=$!
    until busybox nslookup "$name" "$address" >/dev/null 2>&1 || ((left-- == 0)); do sleep 0.1; done
    printf 'NAME=%s ADDRESSES="2001:db8::77 203.0.113.77"\n' "$name" >>"$work/net-server"
    printf 'nameserver %s\n' "$address" >"$work/resolv.conf"
    # shellcheck disable=SC2016 # for the shell that it starts
    around=(unshare --mount sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$work/resolv.conf")
}
