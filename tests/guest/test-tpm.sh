#!/usr/bin/env bash
#
# tests/guest/test-tpm.sh - the vTPM under Debian's unmodified kernels and tools, old and new.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

for release in bookworm trixie; do
    check_in_guest "kernel of $release" tpm.sh --guest-release "$release"
done
