/*
 * tests/fuzz/fuzz_vhd.c - a VHD of which the input changes any bytes, and a guest that uses it.
 *
 * tests/fuzz/block_fuzz.h says what an input is and what must hold.
 */
#include "tests/fakes/vhd_image.h"
#include "tests/fuzz/block_fuzz.h"

static void make(struct store *s, uint8_t kind)
{
    if ((kind & 1) != 0)
        vi_make_fixed(s, 1 << 20);
    else
        vi_make_dynamic(s, (40 << 16) - 4096, 1 << 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_format format = {BLOCK_VHD, make, vi_fix_sums};

    fuzz_image(&format, data, size);
    return 0;
}
