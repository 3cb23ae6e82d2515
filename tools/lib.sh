# tools/lib.sh - what the scripts share: messages, the cache, apt without touching the system.
# Sourced, never run. The caller has set -euo pipefail.
# shellcheck shell=bash

readonly EXIT_FAILED=1 # the machine or the network would not
readonly EXIT_USAGE=2  # the caller asked for something impossible

# In a pipeline or a log, a colour or a moving line is noise; on a terminal silence is worse.
if [[ -t 2 ]]; then readonly on_terminal=1; else readonly on_terminal=; fi

say() {
    printf 'bulkhead: %s\n' "$*" >&2
}

die() {
    say "$*"
    exit "$EXIT_FAILED"
}

usage_error() {
    say "$*"
    exit "$EXIT_USAGE"
}

# A script's help is its header: the comment from line 3 to the first command.
print_header() {
    sed -n '3,/^set /s/^# \{0,1\}//p' "$0"
}

require_value() { # OPTION COUNT-OF-ARGUMENTS-LEFT
    (($2 >= 2)) || usage_error "$1 needs a value"
}

# A file that can be read, as an absolute path: the programs started later run elsewhere.
require_file() { # WHAT PATH
    [[ -e $2 ]] || usage_error "$1 does not exist: $2"
    [[ -f $2 ]] || usage_error "$1 is not a file: $2"
    [[ -r $2 ]] || usage_error "$1 cannot be read: $2"
    realpath -- "$2"
}

# --- running what takes long ----------------------------------------------------------------

# Pass lines on, and show the newest one in place where a person is watching. What apt says for
# programs (APT::Status-Fd) is only shown.
show_progress() { # WHAT
    local line percent words
    while IFS= read -r line; do
        case $line in
            dlstatus:* | pmstatus:*)
                IFS=: read -r _ _ percent words <<<"$line"
                line="${percent%.*} % $words"
                ;;
            *) printf '%s\n' "$line" ;;
        esac
        [[ -z $on_terminal ]] || printf '\r\033[K%.*s' "$((${COLUMNS:-80} - 1))" "$1: $line" >&2
    done
    [[ -z $on_terminal ]] || printf '\r\033[K' >&2
}

# Run a command whose words matter only when it fails. They are kept in memory, because
# a full disk is one of the failures to report.
quietly() { # WHAT COMMAND...
    local what=$1 words status=0
    shift
    [[ -n $on_terminal ]] || say "$what"
    words=$("$@" </dev/null 2>&1 | show_progress "$what") || status=$?
    ((status != 0)) || return 0
    [[ $words != *'No space left on device'* ]] || die "$what: the disk is full"
    printf '%s\n' "$words" | tail -n 30 >&2
    die "$what: failed with status $status"
}

# --- the cache ------------------------------------------------------------------------------
# Entries appear complete or not at all: they are made under tmp/ and renamed. One lock guards all
# making, so whoever holds it may empty tmp/: what lies there belongs to someone who died.

cache_root() {
    local root=${BULKHEAD_CACHE:-}
    if [[ -z $root ]]; then
        [[ -n ${XDG_CACHE_HOME:-}${HOME:-} ]] || die "set BULKHEAD_CACHE, XDG_CACHE_HOME or HOME"
        root=${XDG_CACHE_HOME:-$HOME/.cache}/bulkhead
    fi
    realpath -m -- "$root"
}
cache=$(cache_root)
readonly cache

# Make $cache/ENTRY by COMMAND..., which gets the path to create as its last argument.
cache_make() { # ENTRY COMMAND...
    local entry=$cache/$1
    shift
    if [[ ! -e $entry ]]; then
        mkdir -p "${entry%/*}" || die "cannot write to the cache: $cache"
        cache_make_locked "$entry" "$@"
    fi
    touch -c -- "$entry" # cache_prune goes by age since the last use
}

cache_make_locked() ( # PATH COMMAND...
    entry=$1
    shift
    exec {lock}>"$cache/lock"
    flock --nonblock "$lock" || {
        say "waiting for another run to finish its downloads"
        flock "$lock"
    }
    [[ ! -e $entry ]] || exit 0
    trap 'rm -rf -- "$cache/tmp"' EXIT
    rm -rf -- "$cache/tmp"
    mkdir "$cache/tmp"
    "$@" "$cache/tmp/made"
    mv -T -- "$cache/tmp/made" "$entry"
)

# Forget entries of one kind that no run asked for since yesterday.
cache_prune() { # FOLDER
    find "$cache/$1" -mindepth 1 -maxdepth 1 -mmin +1440 -exec rm -rf -- {} + 2>/dev/null || true
}

# The name of what was made from these bytes.
digest() {
    sha256sum | cut -c 1-24
}

# --- Debian packages ------------------------------------------------------------------------
# apt verifies, resolves and downloads, with lists, state and cache of our own: another release can
# be read, and nothing of the system's apt changes.

readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

running_release() {
    # shellcheck source=/dev/null
    (. /etc/os-release && printf '%s\n' "${VERSION_CODENAME:-}")
}

# The URI under which this machine's own apt gets Debian, or its security archive. Sources of third
# parties may carry the same release name; what they offer is not called main, or not debian.
source_uri() { # archive|security
    local release suffix=
    release=$(running_release)
    [[ $1 != security ]] || suffix=-security
    # apt fills in these names, not the shell.
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(COMPONENT) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        awk -v wanted="^($release|stable|oldstable|testing)$suffix\$" \
            '$1 == "main" && $2 ~ wanted && $3 ~ "/debian[^/]*/?$" && !found++ { print $3 }'
}

write_sources() { # RELEASE FILE
    local archive security
    archive=$(source_uri archive)
    security=$(source_uri security)
    [[ -n $archive ]] || die "apt is not configured with a Debian archive"
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$archive" "$1" >"$2"
    # Suites without a security archive of their own are complete with the first line.
    [[ -z $security || $1 == sid || $1 == unstable || $1 == *-backports ]] ||
        printf 'deb [signed-by=%s] %s %s-security main\n' "$keyring" "$security" "$1" >>"$2"
}

apt_root() { # RELEASE
    printf '%s/apt/%s\n' "$cache" "$1"
}

# Run apt-get or apt-cache against the private root of a release. An empty status file makes
# nothing count as installed.
private_apt() { # RELEASE PROGRAM ARGUMENTS...
    local root program=$2
    root=$(apt_root "$1")
    shift 2
    DEBIAN_FRONTEND=noninteractive "$program" \
        -o Dir::State="$root/state" -o Dir::State::status="$root/status" \
        -o Dir::Cache="$root/cache" -o Dir::Etc::sourcelist="$root/sources.list" \
        -o Dir::Etc::sourceparts=- -o Dir::Etc::preferences=- -o Dir::Etc::preferencesparts=- \
        -o APT::Update::Post-Invoke-Success::=true -o APT::Sandbox::User="$(id -un)" \
        -o APT::Architecture=amd64 -o APT::Install-Recommends=false \
        -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Status-Fd=1 "$@"
}

# Bring the package lists of a release up to date. Under the cache's lock.
private_apt_update() { # RELEASE
    local root
    root=$(apt_root "$1")
    [[ -r $keyring ]] || die "the package debian-archive-keyring is missing"
    mkdir -p "$root/state/lists/partial" "$root/cache/archives/partial"
    : >"$root/status"
    write_sources "$1" "$root/sources.list"
    quietly "reading the package lists of Debian $1" \
        private_apt "$1" apt-get --error-on=any update
}
