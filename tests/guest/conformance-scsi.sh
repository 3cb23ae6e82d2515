#!/usr/bin/env bash
#
# tests/guest/conformance-scsi.sh - the SCSI tests of libiscsi, a third party's, on a disk.
set -euo pipefail

# shellcheck source=tests/guest/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

truncate -s 64M "$work/disk.img"
check_in_guest "libiscsi" scsi-suite.sh --vcpus 2 --add-package libiscsi-bin \
    --disk "$work/disk.img,serial=SUITE"
