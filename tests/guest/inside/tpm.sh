#!/bin/sh
#
# tests/guest/inside/tpm.sh - the TPM as Debian's kernel and tpm2-tools use it.

sha256() {
    sha256sum | cut -d ' ' -f 1
}

# What a PCR must hold after an extend: the hash of the old value and the new digest, one after the
# other.
extended() { # OLD DIGEST
    printf '%s%s' "$1" "$2" | xxd -r -p | sha256
}

pcr() { # NUMBER
    tpm2_pcrread "sha256:$1" | sed -n "s/^ *$1 *: *0x//p" | tr A-F a-f
}

# Without the kernel's resource manager the objects of one command stay loaded after it, and a TPM
# has room for three.
flush() {
    tpm2_flushcontext --transient-object
}

check_driver() {
    driver=$(readlink /sys/class/tpm/tpm0/device/driver)
    check_equal "tpm_crb is bound" tpm_crb "${driver##*/}"
    check_equal "version 2" 2 "$(cat /sys/class/tpm/tpm0/tpm_version_major)"
}

check_basics() {
    check "getcap properties-fixed" tpm2_getcap properties-fixed
    tpm2_getcap properties-fixed | grep '"2.0"' >/dev/null
    verdict $? "the family is 2.0"
    random=$(tpm2_getrandom --hex 32)
    check_equal "getrandom 32 bytes" 64 "${#random}"
    [ "$random" != "$(tpm2_getrandom --hex 32)" ]
    verdict $? "getrandom does not repeat itself"
}

check_pcr() {
    before=$(pcr 16)
    digest=$(echo bulkhead | sha256)
    check "pcrextend" tpm2_pcrextend "16:sha256=$digest"
    check_equal "pcrread" "$(extended "$before" "$digest")" "$(pcr 16)"
}

check_keys() {
    echo message >message
    check "createprimary" tpm2_createprimary -Q -G ecc -c primary
    check "create" tpm2_create -Q -C primary -G ecc -u public -r private
    flush
    check "load" tpm2_load -Q -C primary -u public -r private -c key
    flush
    check "sign" tpm2_sign -Q -c key -g sha256 -o signature message
    flush
    check "verifysignature" tpm2_verifysignature -Q -c key -g sha256 -m message -s signature
    flush
    echo another >message
    check_refused "verifysignature of another message" \
        tpm2_verifysignature -Q -c key -g sha256 -m message -s signature
    flush
    check "createprimary of an RSA key" tpm2_createprimary -Q -G rsa2048 -c rsa
    flush
}

check_nv() {
    index=0x1500016
    check "nvdefine" tpm2_nvdefine -Q -C o -s 32 -a 'ownerread|ownerwrite' "$index"
    printf '%032d' 7 >stored
    check "nvwrite" tpm2_nvwrite -Q -C o -i stored "$index"
    check "nvread" tpm2_nvread -Q -C o -s 32 -o read "$index"
    check "nvread gives what was written" cmp stored read
}

check_quote() {
    check "readpublic" tpm2_readpublic -Q -c key -f pem -o key.pem
    flush
    check "quote" tpm2_quote -Q -c key -l sha256:0,16 -q 0102 -g sha256 -m quoted -s quote -o pcrs
    check "checkquote" tpm2_checkquote -Q -u key.pem -m quoted -s quote -f pcrs -g sha256 -q 0102
    check_refused "checkquote with another nonce" \
        tpm2_checkquote -Q -u key.pem -m quoted -s quote -f pcrs -g sha256 -q 0103
    flush
}

check_log() {
    complaints=$(dmesg | grep -i tpm | grep -i -E 'err|fail|time.?out|timed|cannot|unable|bug|warn')
    check_equal "no TPM error in the kernel log" "" "$complaints"
}

check_driver
check_basics
check_pcr
check_keys
check_nv
check_quote
check_log
finish
