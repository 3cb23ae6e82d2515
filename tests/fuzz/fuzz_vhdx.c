/*
 * tests/fuzz/fuzz_vhdx.c - a VHDX of which the input changes any bytes, and a guest that uses it.
 *
 * tests/fuzz/block_fuzz.h says what an input is and what must hold.
 */
#include "tests/fakes/vhdx_image.h"
#include "tests/fuzz/block_fuzz.h"

/* With a log to replay: two entries that give block 0 and 1 a place. */
static void put_log(struct store *s)
{
    static const uint8_t guid[16] = {1, 2, 3};
    uint8_t bat[4096] = {0};
    uint32_t at = 0;

    for (uint32_t i = 0; i < 2; i++) {
        struct xi_write w = {XI_BAT_AT, bat, 0};
        struct xi_entry e = {at, 0, 5 + i, 4 << 20, (uint64_t)(5 + i) << 20, &w, 1};

        xi_le(bat + 8 * (size_t)i, (uint64_t)(4 + i) << 20 | 6, 8);
        at += xi_log_entry(s, XI_LOG_BYTES, guid, &e);
    }
    store_write(s, XI_HEADER_1 + XI_H_LOG_GUID, guid, sizeof(guid));
    xi_fix_sums(s);
}

static void make(struct store *s, uint8_t kind)
{
    const struct xi_spec spec = {(7 << 20) - 4096, 1 << 20, (kind & 2) != 0 ? 4096 : 512};

    (void)xi_make(s, &spec);
    if ((kind & 1) != 0)
        put_log(s);
}

/* Of what does not move with the bytes: headers, region tables, the first two entries of the log. */
static void fix_sums(struct store *s)
{
    xi_fix_sums(s);
    for (uint64_t at = XI_LOG_AT; at < XI_LOG_AT + 2 * 8192 && at + 8192 <= s->bytes; at += 8192) {
        uint64_t len = xi_get(s, at + 8, 4);

        if (len >= 4096 && len <= XI_LOG_BYTES && at + len <= s->bytes)
            xi_sum(s, at, len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_format format = {BLOCK_VHDX, make, fix_sums};

    fuzz_image(&format, data, size);
    return 0;
}
