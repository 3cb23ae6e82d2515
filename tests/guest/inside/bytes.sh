#!/bin/sh
#
# tests/guest/inside/bytes.sh - prints every byte value on stdout, then what it finds of the guest.

i=0
while [ "$i" -lt 256 ]; do
    # The octal escape is computed, so the format cannot be a constant.
    # shellcheck disable=SC2059
    printf "\\$(printf '%03o' "$i")"
    i=$((i + 1))
done
echo
echo "cpus $(nproc)"
echo "added $(cat added.txt)"
echo "program $(added-program)"
echo "user $(id -u)"
exit 7
