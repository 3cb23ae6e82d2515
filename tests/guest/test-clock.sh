#!/usr/bin/env bash
#
# tests/guest/test-clock.sh - the CMOS clock, its alarm and its interrupt under Debian's unmodified
# kernel.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

check_in_guest "clock" rtc.sh
