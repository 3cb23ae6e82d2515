#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>

#include "base/clock.h"
#include "workers/journal.h"
#include "workers/storage/storage.h"

static const uint64_t TAG = UINT64_C(0x4d44)
                            << 48; /* "DM", with the file: the one step that is waited for */
static const uint64_t TAG_MASK = UINT64_C(0xffff) << 48;
static const uint64_t SYNC = UINT64_C(1) << 32; /* it syncs that file */
static const uint64_t LOOK_AROUND_NS = 100 * NS_PER_MS;

bool metadata_is_unsynced(const struct storage *s, uint32_t file)
{
    return (s->unsynced[file / 64 % COUNT_OF(s->unsynced)] >> file % 64 & 1) != 0;
}

void metadata_told(struct storage *s, uint32_t file)
{
    s->unsynced[file / 64 % COUNT_OF(s->unsynced)] &= ~(UINT64_C(1) << file % 64);
    journal_commit(s->worker);
}

void metadata_failed(struct storage *s, uint32_t file)
{
    s->unsynced[file / 64 % COUNT_OF(s->unsynced)] |= UINT64_C(1) << file % 64;
    journal_commit(s->worker);
}

/* Kept before the completion is gone: a successor tells of it too. */
bool metadata_note(struct storage *s, const struct uring_done *done)
{
    uint32_t file = (uint32_t)done->user_data % DISK_FILES;

    if ((done->user_data & TAG_MASK) != TAG)
        return false;
    if ((done->user_data & SYNC) != 0 && io_is_lasting(done->res))
        metadata_failed(s, file);
    return true;
}

/*
 * Take completions until ours is among them. Those of requests are kept for later: their data is where it
 * belongs, and an error is written into the log at once, so that a successor tells of it too.
 */
static bool take_ours(struct storage *s, int32_t *ret)
{
    struct uring_done done;
    const struct request *q;
    bool found = false;

    while (!found && s->n_stash < STORAGE_STASH && uring_peek(&s->ring, 0, &done)) {
        found = metadata_note(s, &done);
        if (found) {
            *ret = done.res;
        } else {
            q = request_of(s, &done);
            if (q != NULL)
                request_note(s, q, done.res);
            s->stash[(s->stash_at + s->n_stash++) % STORAGE_STASH] = done;
        }
        uring_advance(&s->ring, 1);
    }
    return found;
}

/* Look until ours is there, and return its result; or, before it is prepared, until the ring has room for it. */
static int await(struct storage *s, bool for_room)
{
    int32_t res;

    while (!for_room || uring_room(&s->ring) == 0) {
        int r;

        port_pong(&s->worker->port); /* also if nothing is to be waited for, time and again */
        r = uring_submit(&s->ring);
        if (r < 0 && r != -EAGAIN && r != -EBUSY)
            return r;
        s->n_iovecs = r == 0 ? 0 : s->n_iovecs;
        if (take_ours(s, &res))
            return res;
        r = uring_wait(&s->ring, 1, clock_now_ns() + LOOK_AROUND_NS);
        if (r < 0 && r != -ETIME && r != -EINTR)
            return r;
    }
    return 0;
}

static bool is_to_be_tried_again(int r)
{
    return r == -EINTR || r == -EAGAIN || r == -ECANCELED;
}

static int await_room(struct storage *s)
{
    return await(s, true);
}

static int await_ours(struct storage *s)
{
    return await(s, false);
}

static int move(struct storage *s, bool write, uint32_t file, uint64_t offset, uint8_t *buf,
                size_t len)
{
    while (len > 0) {
        const struct iovec iov = {.iov_base = buf, .iov_len = len};
        int r = await_room(s);

        if (r == 0)
            r = write ? uring_writev(&s->ring, file, offset, &iov, 1, false, TAG | file)
                      : uring_readv(&s->ring, file, offset, &iov, 1, TAG | file);
        if (r == 0)
            r = await_ours(s);
        if (is_to_be_tried_again(r))
            continue;
        if (r <= 0)
            return r < 0 ? r : -EIO; /* the file is shorter than it was */
        buf += r;
        offset += (uint64_t)r;
        len -= (size_t)r;
    }
    return 0;
}

static int metadata_read(void *self, uint32_t file, uint64_t offset, void *buf, size_t len)
{
    return move(self, false, file, offset, buf, len);
}

static int metadata_write(void *self, uint32_t file, uint64_t offset, const void *buf, size_t len)
{
    return move(self, true, file, offset, (uint8_t *)(uintptr_t)buf, len);
}

static int metadata_flush(void *self, uint32_t file)
{
    struct storage *s = self;
    int r;

    do {
        r = await_room(s);
        if (r == 0)
            r = uring_fdatasync(&s->ring, file, TAG | SYNC | file);
        if (r == 0)
            r = await_ours(s);
    } while (is_to_be_tried_again(r));
    return r;
}

/* Where a file system cannot, write zeros. */
static int write_zeros(struct storage *s, uint32_t file, uint64_t offset, uint64_t len)
{
    while (len > 0) {
        size_t n = len < STORAGE_FILL_BYTES ? (size_t)len : STORAGE_FILL_BYTES;
        int r = metadata_write(s, file, offset, s->zeros, n);

        if (r < 0)
            return r;
        offset += n;
        len -= n;
    }
    return 0;
}

static int metadata_zero(void *self, uint32_t file, uint64_t offset, uint64_t len)
{
    struct storage *s = self;
    int r;

    do {
        r = await_room(s);
        if (r == 0)
            r = uring_fallocate(&s->ring, file, FALLOC_FL_ZERO_RANGE, offset, len, TAG | file);
        if (r == 0)
            r = await_ours(s);
    } while (is_to_be_tried_again(r));
    return r == -EOPNOTSUPP ? write_zeros(s, file, offset, len) : r;
}

struct block_io metadata_io(struct storage *s)
{
    return (struct block_io){.read = metadata_read,
                             .write = metadata_write,
                             .flush = metadata_flush,
                             .zero = metadata_zero,
                             .self = s};
}
