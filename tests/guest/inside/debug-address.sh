#!/bin/sh
#
# tests/guest/inside/debug-address.sh - where this kernel's functions and texts are, without KASLR.

for name in __x64_sys_newuname linux_banner; do
    sed -n "s/^\([0-9a-f]*\) [TtDdRrBb] $name\$/address $name \1/p" /proc/kallsyms
done
