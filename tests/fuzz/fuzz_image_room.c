/*
 * tests/fuzz/fuzz_image_room.c - the parts of an image that say how long it may become, as of a VHD and
 * of a VHDX image.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/image_room.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Three parts of the same length: at 0, at the region table, and where that may say the metadata is. */
static void put(int fd, const uint8_t *data, size_t size)
{
    static const off_t places[] = {0, 192 << 10, 256 << 10};
    size_t part = size / COUNT_OF(places);

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        if (pwrite(fd, data + i * part, part, places[i]) != (ssize_t)part)
            abort();
    }
    if (ftruncate(fd, 320 << 10) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum disk_format formats[] = {DISK_RAW, DISK_VHD, DISK_VHDX};
    AUTO_FD fd = memfd_create("image", MFD_CLOEXEC);

    if (fd < 0)
        abort();
    put(fd, data, size);
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        uint64_t room = image_room(fd, formats[i], 320 << 10);

        if (room != 0 && (room <= 320 << 10 || room > UINT64_C(1) << 53 || formats[i] == DISK_RAW))
            abort();
    }
    return 0;
}
