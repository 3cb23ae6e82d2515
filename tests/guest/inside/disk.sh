#!/bin/sh
#
# tests/guest/inside/disk.sh - the disks of test-disk.sh as Debian's kernel, sg3-utils, fdisk, e2fsprogs
# and CD tools see them. Every disk is known by its serial number.
#
# What is written last to each disk is told by its hash ("# written SERIAL HASH"): the test reads it
# back outside of the guest.

readonly offset_mib=4 # of what is written last

device() { # SERIAL
    for page in /sys/block/sd*/device/vpd_pg80; do
        [ "$(tail -c +5 "$page" | tr -d ' \000')" = "$1" ] || continue
        page=${page#/sys/block/}
        echo "${page%%/*}"
        return
    done
    echo "none-$1"
}

queue() { # SERIAL FILE
    cat "/sys/block/$(device "$1")/queue/$2"
}

hash() {
    sha256sum | cut -d ' ' -f 1
}

zeros() { # MIB
    head -c $(($1 << 20)) /dev/zero | hash
}

# What a disk holds, past every cache of the guest.
part_hash() { # DEVICE OFFSET-MIB MIB
    dd if="$1" bs=1M skip="$2" count="$3" iflag=direct 2>/dev/null | hash
}

# Programs that busybox has too are called by their paths: its shell prefers its own.

# The exit status of a tool of sg3-utils tells the sense: 0 good, 5 illegal request, 7 data protect,
# 9 no such command, 2 not ready, 22 no such block.
check_status() { # NAME STATUS COMMAND...
    name=$1
    wanted=$2
    shift 2
    words=$("$@" 2>&1)
    got=$?
    check_equal "$name" "$wanted" "$got"
    [ "$got" -eq "$wanted" ] || printf '%s\n' "$words" | sed 's/^/# /'
}

check_line() { # NAME REGEX COMMAND...
    name=$1
    wanted=$2
    shift 2
    words=$("$@" 2>&1)
    printf '%s\n' "$words" | grep -q -E -- "$wanted"
    status=$?
    verdict "$status" "$name"
    [ "$status" -eq 0 ] || printf '%s\n' "$words" | sed "s/^/# /"
}

# --- what the kernel made of them ---

check_drivers() {
    check "hv_vmbus has devices" ls -d /sys/bus/vmbus/devices/*
    for serial in RAW STRIPE; do
        path=$(realpath "/sys/block/$(device $serial)/device")
        while [ "$path" != / ] && [ ! -e "$path/channel_vp_mapping" ]; do path=$(dirname "$path"); done
        check_equal "$serial: hv_storvsc is bound" hv_storvsc "$(basename "$(readlink "$path/driver")")"
        echo "$path" >"controller.$serial"
    done
    ! cmp -s controller.RAW controller.STRIPE
    verdict $? "these two are at different controllers"
}

# Serial, size, blocks, write protection.
check_disk() { # SERIAL MIB LOGICAL READ-ONLY
    name=$(device "$1")
    check_equal "$1: size" "$(($2 * 2048))" "$(cat "/sys/block/$name/size")"
    check_equal "$1: logical block" "$3" "$(queue "$1" logical_block_size)"
    check_equal "$1: write protection" "$4" "$(cat "/sys/block/$name/ro")"
    # Linux flushes nothing where it cannot write.
    [ "$4" = 1 ] && cache="write through" || cache="write back"
    check_equal "$1: write cache" "$cache" "$(queue "$1" write_cache)"
    check_equal "$1: not rotating" 0 "$(queue "$1" rotational)"
}

check_disks() {
    check_disk RAW 64 512 0
    check_disk K4 64 4096 0
    check_disk RO 16 512 1
    check_disk VHD 64 512 0
    check_disk VHDX 64 512 0
    check_disk STRIPE 64 512 0
    check_disk RAM 32 512 0
    check_equal "RO: physical block" 4096 "$(queue RO physical_block_size)"
    for serial in RAW K4 VHDX STRIPE RAM; do
        check "$serial: can discard" [ "$(queue $serial discard_max_bytes)" -gt 0 ]
    done
    check_equal "no disk has another's identity" "" \
        "$(cat /sys/block/sd*/device/wwid | sort | uniq -d)"
}

# --- partitions and file systems ---

fill() { # FOLDER
    mkdir "$1/folder"
    for n in 1 2 3 4 5 6 7 8; do
        head -c 1500000 /dev/urandom >"$1/folder/$n"
    done
    ln -s folder/1 "$1/link"
}

tree_hash() { # FOLDER
    (cd "$1" && find . -type f | sort | xargs sha256sum | hash)
}

check_file_system() { # SERIAL
    path=/dev/$(device "$1")
    check "$1: sfdisk" sh -c "echo ',32M' | sfdisk --quiet --label gpt $path"
    check "$1: sfdisk --verify" sfdisk --verify "$path"
    check "$1: mkfs.ext4" mkfs.ext4 -q "${path}1"
    mkdir -p /mnt
    check "$1: mount" mount -t ext4 -o discard "${path}1" /mnt
    fill /mnt
    wanted=$(tree_hash /mnt)
    check "$1: sync" sync
    rm /mnt/link
    check "$1: umount" umount /mnt
    check "$1: e2fsck" e2fsck -f -n "${path}1"
    echo 3 >/proc/sys/vm/drop_caches
    check "$1: mount again" mount -t ext4 "${path}1" /mnt
    check_equal "$1: the same files" "$wanted" "$(tree_hash /mnt)"
    check "$1: fstrim" fstrim /mnt
    check "$1: umount again" umount /mnt
    check "$1: e2fsck after fstrim" e2fsck -f -n "${path}1"
}

# --- sg3-utils ---

check_inquiry() {
    path=/dev/$(device RAW)
    check_line "sg_inq: vendor" '^ Vendor identification: Msft' sg_inq "$path"
    check_line "sg_inq: product" '^ Product identification: Virtual Disk' sg_inq "$path"
    check_line "sg_inq: command queueing" 'CmdQue=1' sg_inq "$path"
    check_line "sg_vpd: serial" 'Unit serial number: RAW' sg_vpd --page=sn "$path"
    check_line "sg_vpd: identification" 'designator type: NAA' sg_vpd --page=di "$path"
    for page in sv bl bdc lbpv; do
        check "sg_vpd: page $page" sg_vpd --page=$page "$path"
    done
    check_line "sg_vpd: unmap" 'Unmap command supported \(LBPU\): 1' sg_vpd --page=lbpv "$path"
    # Linux's driver takes every INQUIRY for good: what it gets then is the head of page 00.
    check_line "INQUIRY: a page that there is not" ' 00 00 00 00 ' \
        sg_raw -r 64 "$path" 12 01 8f 00 40 00
    check_line "sg_modes: the write cache is on" 'WCE=1|^ 00 +08 12 04' sg_modes --page=8 "$path"
    check "sg_modes: all pages" sg_modes --all "$path"
    check "sg_luns" sg_luns "$path"
    check "sg_turs" sg_turs --num=10 "$path"
    check "sg_requests" sg_requests "$path"
}

check_capacity() {
    check_line "sg_readcap" 'Last LBA=131071 .*Number of logical blocks=131072' \
        sg_readcap "/dev/$(device RAW)"
    check_line "sg_readcap --16" 'lbpme=1, lbprz=1' sg_readcap --16 "/dev/$(device RAW)"
    check_line "sg_readcap of 4 KiB blocks" 'Logical block length=4096 bytes' \
        sg_readcap "/dev/$(device K4)"
    check_line "sg_readcap of a physical block" '=> Logical block length=512|exponent=3' \
        sg_readcap --readonly --16 "/dev/$(device RO)"
}

check_moving_data() { # SERIAL BLOCK-BYTES
    path=/dev/$(device "$1")
    head -c "$2" /dev/urandom >block
    head -c 262144 /dev/urandom >data
    count=$((262144 / $2))
    check "$1: sg_dd writes" sg_dd if=data of="$path" bs="$2" count="$count" seek=8 oflag=sgio,fua
    check "$1: sg_sync" sg_sync "$path"
    check "$1: sg_dd reads" sg_dd if="$path" of=back bs="$2" count="$count" skip=8 iflag=sgio
    check "$1: what was written" cmp data back
    check "$1: sg_verify" sg_verify --lba=8 --count="$count" "$path"
    check_status "$1: sg_verify beyond the end" 22 sg_verify --lba=0x7fffffff --count=1 "$path"
    check "$1: sg_write_same" sg_write_same --in=block --lba=8 --num=16 --16 "$path"
    rm back
    sg_dd if="$path" of=back bs="$2" count=16 skip=8 iflag=sgio 2>/dev/null
    for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do cat block; done >data
    check "$1: every block is the same" cmp data back
    check "$1: sg_unmap" sg_unmap --lba=8 --num=16 "$path"
    rm back
    sg_dd if="$path" of=back bs="$2" count=16 skip=8 iflag=sgio 2>/dev/null
    check_equal "$1: zeros where it was unmapped" "$(head -c $((16 * $2)) /dev/zero | hash)" \
        "$(hash <back)"
    check "$1: sg_write_same --unmap" sg_write_same --unmap --in=/dev/zero --xferlen="$2" --lba=24 --num=8 \
        --16 "$path"
    check "$1: sg_get_lba_status" sg_get_lba_status --lba=8 "$path"
}

check_discard() { # SERIAL
    path=/dev/$(device "$1")
    dd if=/dev/urandom of="$path" bs=1M seek=4 count=8 oflag=direct 2>/dev/null
    check "$1: blkdiscard" /usr/sbin/blkdiscard --offset 5M --length 2M "$path"
    check_equal "$1: discarded blocks are zeros" "$(zeros 2)" "$(part_hash "$path" 5 2)"
    [ "$(part_hash "$path" 4 1)" != "$(zeros 1)" ]
    verdict $? "$1: those before are not"
    check "$1: blkdiscard --zeroout" /usr/sbin/blkdiscard --zeroout --offset 8M --length 2M "$path"
    check_equal "$1: and these are zeros" "$(zeros 2)" "$(part_hash "$path" 8 2)"
    check_refused "$1: no secure discard" /usr/sbin/blkdiscard --secure --offset 5M --length 2M "$path"
}

check_reservations() {
    path=/dev/$(device RAW)
    key=0x1234
    check "sg_persist: register" sg_persist --out --register --param-sark=$key "$path"
    check_line "sg_persist: its key is there" $key sg_persist --in --read-keys "$path"
    check "sg_persist: reserve" sg_persist --out --reserve --param-rk=$key --prout-type=5 "$path"
    check_line "sg_persist: the reservation is there" 'Write Exclusive, registrants only' \
        sg_persist --in --read-reservation "$path"
    check "sg_persist: full status" sg_persist --in --read-full-status "$path"
    check "sg_persist: capabilities" sg_persist --in --report-capabilities "$path"
    check "sg_persist: the holder writes" \
        dd if=/dev/zero of="$path" bs=4k count=1 seek=1024 oflag=direct
    head -c 24 /dev/zero >parameters
    # RELEASE with key 0. sg_persist does not tell the status where Linux's driver says DID_ERROR as well.
    check_line "sg_persist: another's key" 'SCSI Status: Reservation Conflict' \
        sg_raw --send=24 --infile=parameters "$path" 5f 02 05 00 00 00 00 00 18 00
    check "sg_persist: release" sg_persist --out --release --param-rk=$key --prout-type=5 "$path"
    check "sg_persist: clear" sg_persist --out --clear --param-rk=$key "$path"
    check_line "sg_persist: no key is left" 'NO registered reservation keys' \
        sg_persist --in --read-keys "$path"
}

check_stopping() {
    path=/dev/$(device RAW)
    check "sg_start --stop" sg_start --stop "$path"
    check_status "a stopped disk is not ready" 2 sg_turs "$path"
    check "sg_start --start" sg_start --start "$path"
    check "it is ready again" sg_turs "$path"
    check "sg_prevent" sg_prevent "$path"
    check "sg_prevent --allow" sg_prevent --allow "$path"
    check "sg_senddiag: the self-test" sg_senddiag --test "$path"
}

# What is not supported says so, and harms nothing. docs/disks-scsi.md tells why.
check_unsupported() {
    path=/dev/$(device RAW)
    for command in sg_logs sg_opcodes sg_rtpg sg_ident sg_read_block_limits sg_rep_zones; do
        check_status "$command is not supported" 9 $command "$path"
    done
    check_status "sg_read_buffer is not supported" 9 sg_read_buffer --mode=desc "$path"
    check_status "sg_sat_identify is not supported" 9 sg_sat_identify "$path"
    check_status "sg_compare_and_write is not supported" 9 \
        sg_compare_and_write --in=/dev/zero --lba=0 --xferlen=1024 "$path"
    check_refused "sg_format is not supported" sg_format --format --quick "$path"
    check_refused "sg_sanitize is not supported" sg_sanitize --overwrite --zero --quick "$path"
}

check_read_only() {
    path=/dev/$(device RO)
    check_equal "RO: what the test put there" "$(yes bulkhead | head -c $((16 << 20)) | hash)" \
        "$(part_hash "$path" 0 16)"
    check_refused "RO: dd cannot write" dd if=/dev/zero of="$path" bs=4k count=1 conv=fsync
    check_refused "RO: mkfs.ext4 cannot" mkfs.ext4 -q -F "$path"
    # Linux opens the disk itself for reading only.
    generic=/dev/$(ls "/sys/block/$(device RO)/device/scsi_generic")
    check_status "RO: WRITE says data protect" 7 \
        sg_raw --send=512 --infile=/dev/zero "$generic" 2a 00 00 00 00 00 00 00 01 00
    check_status "RO: UNMAP does too" 7 sg_unmap --lba=0 --num=1 "$generic"
    check_line "RO: sg_modes" 'WP=1' sg_modes "$path"
}

# --- the DVD ---

check_dvd() {
    check_equal "DVD: size" "$(cat iso-size)" "$(($(cat /sys/block/sr0/size) * 512))"
    mkdir -p /mnt
    check "DVD: mount" mount -t iso9660 -o ro /dev/sr0 /mnt
    check_equal "DVD: its file" "$(yes disc | head -c 5000000 | hash)" "$(hash </mnt/disc.txt)"
    check_refused "DVD: the tray is locked while it is mounted" sg_start --eject /dev/sr0
    check "DVD: umount" umount /mnt
    check_line "DVD: sg_get_config" 'DVD-ROM' sg_get_config /dev/sr0
    check_line "DVD: wodim -inq" 'Virtual DVD-ROM' wodim dev=/dev/sr0 -inq
    check_line "DVD: wodim -toc" 'track: *1 lba: *0' wodim dev=/dev/sr0 -toc
    check_line "DVD: wodim -prcap" 'Does read DVD-ROM media' wodim dev=/dev/sr0 -prcap
    check_line "DVD: dvd+rw-mediainfo" 'Mounted Media: +10h, DVD-ROM' dvd+rw-mediainfo /dev/sr0
    check_line "DVD: isoinfo" 'Volume id: BULKHEAD' isoinfo -d -i /dev/sr0
    check "DVD: eject" /usr/bin/eject /dev/sr0
    check_status "DVD: an empty drive is not ready" 2 sg_turs /dev/sr0
    check "DVD: eject -t" /usr/bin/eject -t /dev/sr0
    check "DVD: mount again" mount -t iso9660 -o ro /dev/sr0 /mnt
    check_equal "DVD: the same disc" 5000000 "$(wc -c </mnt/disc.txt | tr -d ' ')"
    check "DVD: umount again" umount /mnt
}

# --- what is there when the VM is gone ---

check_last_data() {
    for serial in RAW K4 VHD VHDX STRIPE; do
        path=/dev/$(device $serial)
        head -c $((8 << 20)) /dev/urandom >data
        check "$serial: dd writes" \
            dd if=data of="$path" bs=256k seek=$((offset_mib * 4)) oflag=direct conv=fsync
        wanted=$(hash <data)
        check_equal "$serial: dd reads it" "$wanted" "$(part_hash "$path" $offset_mib 8)"
        echo "# written $serial $wanted"
    done
}

check_log() {
    complaints=$(dmesg | grep -i -E 'storvsc|vmbus|scsi|sd[a-z]|sr[0-9]|blk|ext4' |
        grep -i -E ' err|error|fail|time.?out|unable|bug|warn|lost|abort|reset')
    check_equal "no complaint in the kernel log" "" "$complaints"
}

check_drivers
check_disks
for serial in RAW K4 VHDX; do
    check_file_system $serial
done
check_log # before wrong commands are tried
check_inquiry
check_capacity
check_moving_data RAW 512
check_moving_data K4 4096
check_discard RAW
check_discard RAM
check_discard VHDX
check_reservations
check_stopping
check_unsupported
check_read_only
check_dvd
check_last_data
finish
