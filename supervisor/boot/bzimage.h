/*
 * supervisor/boot/bzimage.h - the setup header of a Linux kernel image.
 *
 * Bytes in, struct out: no allocation, no I/O, no log.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    BZIMAGE_HEAD_BYTES = 1024,   /* the header is within these first bytes of a file */
    BZIMAGE_SETUP_START = 0x1f1, /* of the header, in the file and in the zero page */
    BZIMAGE_SETUP_END = 0x290,   /* where its room in the zero page ends */
    BZIMAGE_SETUP_MAX = BZIMAGE_SETUP_END - BZIMAGE_SETUP_START,
    BZIMAGE_ENTRY_64 = 0x200, /* offset of the 64-bit entry in the code */
};

struct bzimage {
    uint64_t code_offset;             /* bytes into the file: what is loaded */
    uint64_t code_len;                /* bytes; inside the file */
    uint64_t load_at;                 /* guest physical, where the kernel prefers to be */
    uint64_t room;                    /* bytes that it needs there; code_len or more */
    uint64_t initrd_end;              /* guest physical; the initrd ends here or below */
    uint32_t append_max;              /* bytes of the command line without its terminator */
    size_t setup_len;                 /* bytes */
    uint8_t setup[BZIMAGE_SETUP_MAX]; /* the header, from BZIMAGE_SETUP_START */
};

/*
 * Read the header from the first head_len bytes of a file of file_len bytes.
 *
 * @spec Linux x86 boot protocol 2.15
 *
 *   0         *ret is valid
 *   -ENOEXEC  not a bzImage
 *   -EBADMSG  a bzImage whose numbers make no sense, or a file that was cut
 *   -ENOSYS   no 64-bit entry point, or not relocatable
 * On failure *ret is untouched.
 */
int MUST_USE bzimage_parse(const void *head, size_t head_len, uint64_t file_len,
                           struct bzimage *ret);
