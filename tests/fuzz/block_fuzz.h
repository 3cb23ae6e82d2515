/*
 * tests/fuzz/block_fuzz.h - hostile bytes as a disk image that is opened, used, and opened again.
 *
 * An input: a byte of flags; how many changes; each change as offset (4 bytes, little-endian), length
 * (a byte, at most 32) and bytes; then the guest's operations, 3 bytes each. What must hold:
 * an image that is refused read-only is not written; no call is outside the file or too often; extents
 * are inside the file and no two bytes of the disk share a place; what the guest wrote is there, also
 * after it was opened again, and so is all that it did not touch.
 */
#pragma once

#include <stdlib.h>

#include "tests/fakes/block_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    FUZZ_FIX_SUMS = 0x80,
    FUZZ_READ_ONLY = 0x40,
    FUZZ_DEVICE = 0x20,
    FUZZ_SHORTER = 0x10, /* by so many sectors as the first byte of the operations says */
    FUZZ_CHANGE_MAX = 32,
    FUZZ_SPOTS = 64, /* places of the disk that are watched, a sector each */
    FUZZ_CALLS_MAX = 200000,
    FUZZ_FILE_MAX = 256 << 20,
};

struct fuzz_format {
    enum block_format format;
    void (*make)(struct store *s, uint8_t kind);
    void (*fix_sums)(struct store *s);
};

struct fuzz {
    struct fake_file file;
    struct fake_files files;
    struct block_io io;
    struct block_spec spec;
    struct block *block;
    uint64_t bytes;
    uint8_t want[FUZZ_SPOTS][FILE_SECTOR];
    bool known[FUZZ_SPOTS]; /* two spots may be the same sector of a small disk */
};

static inline void fuzz_must(bool holds)
{
    if (!holds)
        abort();
}

static inline uint64_t fuzz_spot(const struct fuzz *f, unsigned i)
{
    return f->bytes / FILE_SECTOR * i / FUZZ_SPOTS * FILE_SECTOR;
}

static inline void fuzz_read(struct fuzz *f, uint64_t at, uint8_t out[FILE_SECTOR])
{
    uint64_t done = 0;

    while (done < FILE_SECTOR) {
        struct block_extent e;

        block_map(f->block, at + done, FILE_SECTOR - done, &e);
        fuzz_must(e.len >= 1 && e.len <= FILE_SECTOR - done);
        if (e.kind == BLOCK_ZERO) {
            memset(out + done, 0, e.len);
        } else {
            fuzz_must(e.file == 0 && e.offset <= f->file.now.bytes &&
                      e.len <= f->file.now.bytes - e.offset);
            store_read(&f->file.now, e.offset, out + done, e.len);
        }
        done += e.len;
    }
}

static inline void fuzz_look(struct fuzz *f)
{
    uint8_t have[FILE_SECTOR];

    for (unsigned i = 0; i < FUZZ_SPOTS; i++) {
        fuzz_read(f, fuzz_spot(f, i), have);
        fuzz_must(!f->known[i] || memcmp(have, f->want[i], sizeof(have)) == 0);
        memcpy(f->want[i], have, sizeof(have));
        f->known[i] = true;
    }
    fuzz_must(!f->files.outside && f->files.calls < FUZZ_CALLS_MAX);
}

/* What the guest gave to one sector, all spots there have. */
static inline void fuzz_set(struct fuzz *f, uint64_t at, const uint8_t bytes[FILE_SECTOR])
{
    for (unsigned i = 0; i < FUZZ_SPOTS; i++) {
        if (fuzz_spot(f, i) == at)
            memcpy(f->want[i], bytes, FILE_SECTOR);
    }
}

static inline void fuzz_write(struct fuzz *f, uint64_t at, uint8_t value)
{
    uint8_t bytes[FILE_SECTOR];
    struct block_extent e;

    if (block_info(f->block)->read_only)
        return;
    memset(bytes, value, sizeof(bytes));
    block_map(f->block, at, FILE_SECTOR, &e);
    if (e.kind == BLOCK_ZERO && block_allocate(f->block, at, FILE_SECTOR) < 0)
        return;
    block_map(f->block, at, FILE_SECTOR, &e);
    fuzz_must(e.kind == BLOCK_DATA && e.len == FILE_SECTOR);
    if (f->io.write(f->io.self, e.file, e.offset, bytes, sizeof(bytes)) == 0)
        fuzz_set(f, at, bytes);
}

/* Only whole units become zeros; where it is not sure, whatever is there is right. */
static inline void fuzz_discard(struct fuzz *f, uint64_t at, uint64_t len)
{
    bool zeroed = false;
    uint8_t have[FILE_SECTOR];

    if (block_discard(f->block, at, len, &zeroed) < 0)
        return;
    for (unsigned i = 0; i < FUZZ_SPOTS; i++) {
        uint64_t spot = fuzz_spot(f, i);

        if (spot < at || spot - at >= len)
            continue;
        fuzz_read(f, spot, have);
        for (size_t k = 0; zeroed && k < sizeof(have); k++)
            fuzz_must(have[k] == 0);
        memcpy(f->want[i], have, sizeof(have));
    }
}

static inline int fuzz_open(struct fuzz *f)
{
    char why[BLOCK_WHY_BYTES] = "";
    int r;

    f->spec.file_bytes[0] = f->file.now.bytes;
    f->files.calls = 0;
    r = block_open(&f->spec, &f->io, &f->block, why);
    fuzz_must(r <= 0 && (r == 0) == (why[0] == 0));
    fuzz_must(!f->files.outside && f->files.calls < FUZZ_CALLS_MAX);
    return r;
}

static inline void fuzz_again(struct fuzz *f)
{
    block_close(f->block);
    f->block = NULL;
    fuzz_must(fuzz_open(f) == 0); /* it was made no worse */
    fuzz_must(block_info(f->block)->bytes == f->bytes);
}

static inline void fuzz_operate(struct fuzz *f, const uint8_t op[3])
{
    uint64_t at = fuzz_spot(f, op[1] % FUZZ_SPOTS);
    uint64_t unit = block_info(f->block)->discard_bytes;
    uint64_t len = (uint64_t)(op[2] % 4 + 1) * unit;

    switch (op[0] % 8) {
    case 0:
        (void)!block_flush(f->block);
        break;
    case 1:
        fuzz_discard(f, at, len > f->bytes - at ? f->bytes - at : len);
        break;
    case 2:
        at -= at % unit;
        fuzz_discard(f, at, len > f->bytes - at ? f->bytes - at : len);
        break;
    case 3:
        fuzz_again(f);
        break;
    default:
        fuzz_write(f, at, op[2]);
        break;
    }
    fuzz_look(f);
}

/* Apply the changes that the input begins with; *data and *size are what is left. */
static inline void fuzz_change(struct store *s, unsigned n, const uint8_t **data, size_t *size)
{
    for (; n > 0 && *size >= 5; n--) {
        const uint8_t *at = *data;
        uint64_t offset =
            (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24;
        size_t len = at[4] % (FUZZ_CHANGE_MAX + 1);

        if (len > *size - 5)
            len = *size - 5;
        if ((offset & 0x80000000) != 0) /* from the end */
            offset = s->bytes - (offset & 0xffff) % (s->bytes + 1);
        if (offset <= s->bytes && len <= s->bytes - offset)
            store_write(s, offset, at + 5, len);
        *data += 5 + len;
        *size -= 5 + len;
    }
}

static inline void fuzz_use(struct fuzz *f, const uint8_t *data, size_t size)
{
    f->bytes = block_info(f->block)->bytes;
    fuzz_look(f);
    for (size_t n = 0; size >= 3 && n < 200; n++, data += 3, size -= 3) {
        fuzz_operate(f, data);
        fuzz_must(!f->spec.read_only || f->file.n_ops == 0);
        file_forget_ops(&f->file); /* no power fails here */
    }
    if (!f->spec.read_only)
        fuzz_must(block_flush(f->block) == 0);
    fuzz_again(f);
    fuzz_look(f);
}

static inline void fuzz_image(const struct fuzz_format *format, const uint8_t *data, size_t size)
{
    static struct fuzz f;
    uint8_t flags = size > 0 ? data[0] : 0;

    if (size < 2)
        return;
    memset(&f, 0, sizeof(f));
    f.files = (struct fake_files){.files = &f.file, .n = 1};
    f.io = files_io(&f.files);
    f.file.max_bytes = FUZZ_FILE_MAX;
    f.spec = (struct block_spec){.format = format->format, .n_members = 1};
    f.spec.read_only = (flags & FUZZ_READ_ONLY) != 0;
    f.spec.is_device[0] = (flags & FUZZ_DEVICE) != 0;
    format->make(&f.file.now, flags & 0xf);
    data += 2;
    size -= 2;
    fuzz_change(&f.file.now, data[-1] % 16, &data, &size);
    if ((flags & FUZZ_FIX_SUMS) != 0)
        format->fix_sums(&f.file.now);
    if ((flags & FUZZ_SHORTER) != 0 && size > 0)
        store_resize(&f.file.now, f.file.now.bytes - f.file.now.bytes * data[0] / 256);
    if (fuzz_open(&f) == 0)
        fuzz_use(&f, data, size);
    fuzz_must(!f.spec.read_only || f.file.n_ops == 0);
    block_close(f.block);
    file_done(&f.file);
}
