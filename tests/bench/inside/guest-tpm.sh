# tests/bench/inside/guest-tpm.sh - a round is TPM commands. Before rounds.sh, in the guest.
# shellcheck shell=sh disable=SC2034,SC2154 # used, and set, by what follows

readonly PAUSE=4

round() {
    guest_tpm_loop "$(word who)" "$(word count)"
}
