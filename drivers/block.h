/*
 * drivers/block.h - an image as a guest's disk: bytes from 0 up, and where in which file they are.
 *
 * A block translates; whoever owns it moves the data. block_map() says where the first part of a range
 * is; block_allocate() makes a range that has no place yet writable. The driver reads and writes its
 * own metadata through struct block_io, which waits; guest data never passes through it, but for a
 * block that is copied when it is allocated.
 *
 * Crash rules. The process may be killed between any two calls of block_io: what is on the file then
 * opens again, and every byte whose write was acknowledged is there. After block_flush() that holds
 * for a power failure too. An image is never made worse: one that cannot be trusted is refused, or
 * opened read-only where its format allows it.
 *
 * Bytes of files are hostile. Nothing here logs; why a file is refused is text for the operator.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    BLOCK_MEMBERS_MAX = 16,
    BLOCK_WHY_BYTES = 160,
};

/*
 * How a driver moves its metadata. Each call waits for its end; all bytes or negative errno. Borrowed:
 * it must outlive every block that was opened with it.
 */
struct block_io {
    int (*read)(void *self, uint32_t file, uint64_t offset, void *buf, size_t len);
    int (*write)(void *self, uint32_t file, uint64_t offset, const void *buf, size_t len);
    int (*flush)(void *self, uint32_t file);
    /* Make [offset, offset + len) of the file exist and read as zeros. */
    int (*zero)(void *self, uint32_t file, uint64_t offset, uint64_t len);
    void *self;
};

enum block_format {
    BLOCK_RAW,
    BLOCK_VHD,
    BLOCK_VHDX,
};

struct block_spec {
    enum block_format format; /* of each member */
    bool read_only;
    uint32_t chunk_bytes; /* of a stripe over the members; 0: one member */
    uint32_t n_members;
    uint32_t files[BLOCK_MEMBERS_MAX];      /* numbers for block_io and block_extent */
    uint64_t file_bytes[BLOCK_MEMBERS_MAX]; /* how long each is now */
    bool is_device[BLOCK_MEMBERS_MAX];      /* cannot grow */
    uint8_t random[16]; /* for the identifiers by which a VHDX tells that it was changed */
};

enum block_kind {
    BLOCK_DATA, /* bytes of a file */
    BLOCK_ZERO, /* reads as zeros; not writable before block_allocate() */
};

/* The beginning of a range, and how far it is of one kind. */
struct block_extent {
    enum block_kind kind;
    uint32_t file;   /* BLOCK_DATA */
    uint64_t offset; /* BLOCK_DATA: in that file */
    uint64_t len;    /* bytes: 1 up to the length that was asked for */
};

struct block_info {
    uint64_t bytes;
    uint32_t block_bytes;    /* what the format says a sector is; 0: nothing */
    uint32_t physical_bytes; /* the same of the physical one */
    uint32_t discard_bytes;  /* block_discard() works in such units */
    bool read_only;          /* the image can only be read, whatever was asked for */
    uint8_t identity[16];    /* of the image; all 0: it has none */
};

struct block;

/*
 * Open an image.
 *   0           *ret is owned by the caller: block_close()
 *   -EBADMSG    the bytes are not such an image, or a broken one
 *   -EOPNOTSUPP a sound image of a kind that is not supported (differencing, for one)
 *   -EROFS      it must be written to become usable (a log to replay), and read_only forbids that
 *   other       of block_io
 * why, BLOCK_WHY_BYTES long, says what is wrong in words for the operator.
 */
int MUST_USE block_open(const struct block_spec *spec, const struct block_io *io,
                        struct block **ret, char why[BLOCK_WHY_BYTES]);

/* Forget it; writes nothing. NULL is fine. */
void block_close(struct block *b);

const struct block_info *block_info(const struct block *b);

/* Where [offset, offset + len) begins. The range is inside the image and not empty. Never waits. */
void block_map(const struct block *b, uint64_t offset, uint64_t len, struct block_extent *ret);

/*
 * Give the range, or its beginning, a place: the next block_map() of offset is BLOCK_DATA. What was
 * not written reads as zeros. -EROFS, -ENOSPC (a device that cannot grow, the format's end), -EFBIG
 * (the map takes as much memory as it may), or of block_io; then nothing has changed for the guest.
 */
int MUST_USE block_allocate(struct block *b, uint64_t offset, uint64_t len);

/*
 * The guest does not need the range any more; no request for it is under way. The parts that are whole
 * units are given back and read as zeros from then on; *ret_zeroed says whether all of the range does.
 * Data of the files that is to be punched out is the caller's to do first, extent by extent: where
 * the format gives nothing back (raw, fixed), only that makes zeros. -EROFS, or of block_io.
 */
int MUST_USE block_discard(struct block *b, uint64_t offset, uint64_t len, bool *ret_zeroed);

/*
 * Make the driver's own metadata durable. The caller flushes the data of the files as well: before
 * this, so that metadata never points to what is not there.
 */
int MUST_USE block_flush(struct block *b);

/* The file has another length now (a raw image that was resized). -EBADMSG: not for this format. */
int MUST_USE block_resized(struct block *b, const uint64_t file_bytes[BLOCK_MEMBERS_MAX]);
