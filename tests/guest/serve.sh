# tests/guest/serve.sh - a web server for a guest, on the host's loopback, which passt shows it at the router's address.
# Sourced after lib.sh.
# shellcheck shell=bash disable=SC2154

# Serves file, of that many MiB, and small. What the guest must know of it is in $work/net-server.
serve() { # MIB
    local left=50 port
    mkdir "$work/served"
    head -c "${1}M" /dev/urandom >"$work/served/file"
    printf hello >"$work/served/small"
    port=$((20000 + RANDOM % 20000))
    busybox httpd -f -p "127.0.0.1:$port" -h "$work/served" &
    server=$!
    trap 'kill "$server" 2>/dev/null; rm -rf -- "$work"' EXIT
    until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || ((left-- == 0)); do
        sleep 0.1
    done
    printf 'PORT=%s BYTES=%s HASH=%s\n' "$port" "$(($1 << 20))" \
        "$(sha256sum <"$work/served/file" | cut -d ' ' -f 1)" >"$work/net-server"
}
