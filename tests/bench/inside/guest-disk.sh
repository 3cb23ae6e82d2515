# tests/bench/inside/guest-disk.sh - a round is fio's jobs on the whole disk. Before rounds.sh, in the
# guest.
# shellcheck shell=sh disable=SC2034,SC2154 # used, and set, by what follows

readonly PAUSE=8

# A line of fio's terse format (version 3) as a line of JSON: reads are its fields from 6, writes from 47.
to_json() { # DEPTH
    awk -F ';' -v who="$(word who)" -v depth="$1" '
        $1 == 3 && $5 == 0 {
            good++
            at = $6 > 0 ? 6 : 47
            printf "{\"bench\":\"guest-disk\",\"who\":\"%s\",\"what\":\"%s\",\"depth\":%d,", who, $3, depth
            printf "\"per_s\":%s,\"mean_us\":%s}\n", $(at + 2), $(at + 34)
        }
        END { exit good != 1 }'
}

round() {
    disk=/dev/sda # of Bulkhead
    [ -e $disk ] || disk=/dev/vda # of QEMU
    for depth in 1 32; do
        for what in randread randwrite; do
            fio --name=$what --filename="$disk" --rw=$what --bs=4k --direct=1 --ioengine=libaio \
                --iodepth=$depth --time_based --runtime="$(word count)" --ramp_time=1 --thread \
                --output-format=terse --terse-version=3 | to_json $depth || return
        done
    done
}
