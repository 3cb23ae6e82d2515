/*
 * tests/fuzz/fuzz_build_id.c - the file of a program that an operator sends.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/build_id.h"
#include "base/fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FD fd = memfd_create("elf", MFD_CLOEXEC);
    char text[BUILD_ID_TEXT_BYTES];
    size_t len;

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        return 0;
    memset(text, 'x', sizeof(text));
    build_id_read(fd, text);
    len = strnlen(text, sizeof(text));
    if (len == sizeof(text) || len % 2 != 0 || strspn(text, "0123456789abcdef") != len)
        abort();
    return 0;
}
