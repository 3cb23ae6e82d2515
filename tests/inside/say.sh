# tests/inside/say.sh - what a machine tells the test outside of it, a line for each step. Sourced.
# shellcheck shell=sh

# Run it; its status and its output, as one line.
say() { # NAME COMMAND...
    name=$1
    shift
    text=$("$@" 2>&1)
    status=$?
    echo "$name $status $(echo "$text" | tr '\n' ' ' | sed 's/ $//')"
}
