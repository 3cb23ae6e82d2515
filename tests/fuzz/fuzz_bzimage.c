/*
 * tests/fuzz/fuzz_bzimage.c - a kernel file's header: 8 bytes of file length, then the head.
 */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/rd.h"
#include "supervisor/boot/bzimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_good(const struct bzimage *b, uint64_t file_len)
{
    if (!range_inside(b->code_offset, b->code_len, file_len) || b->code_len <= BZIMAGE_ENTRY_64)
        abort();
    if (b->room < b->code_len || b->setup_len > BZIMAGE_SETUP_MAX || b->initrd_end == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_over(data, size);
    uint64_t file_len = rd_le64(&r);
    struct bzimage untouched;
    struct bzimage b;

    if (!rd_ok(&r))
        return 0;
    memset(&untouched, 0xa5, sizeof(untouched));
    b = untouched;
    if (bzimage_parse(r.at, r.left, file_len, &b) == 0)
        check_good(&b, file_len);
    else if (memcmp(&b, &untouched, sizeof(b)) != 0)
        abort();
    return 0;
}
