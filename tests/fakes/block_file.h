/*
 * tests/fakes/block_file.h - files under a block driver that fail, run short of space, stop working
 * after some number of calls, and lose what was not flushed.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "drivers/block.h"
#include "tests/fakes/store.h"

enum {
    FILE_OPS_MAX = 4096,
    FILE_SECTOR = 512,
};

/* A write, or zeros (bytes NULL), that is not durable yet. */
struct file_op {
    uint64_t at;
    uint64_t len;
    uint8_t *bytes;
};

struct fake_file {
    struct store now;
    struct store durable;
    struct file_op ops[FILE_OPS_MAX];
    unsigned n_ops;
    uint64_t max_bytes; /* -ENOSPC beyond; 0: none */
};

struct fake_files {
    struct fake_file *files;
    unsigned n;
    long calls;      /* so far */
    long cut_at;     /* this call and all later ones fail and do nothing; 0: none */
    long fail_at;    /* this call fails; 0: none */
    int fail_with;   /* ... so */
    bool fail_after; /* ... but has done its work */
    void (*before_write)(const struct fake_files *fs, uint64_t at); /* to look at the order */
    bool outside; /* a read past the end, or a number that is no file */
};

/* Is there something in [from, to) that is not durable? */
static inline bool file_is_dirty(const struct fake_file *f, uint64_t from, uint64_t to)
{
    for (unsigned i = 0; i < f->n_ops; i++) {
        if (f->ops[i].at < to && from < f->ops[i].at + f->ops[i].len)
            return true;
    }
    return false;
}

static inline uint32_t file_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

static inline void file_forget_ops(struct fake_file *f)
{
    for (unsigned i = 0; i < f->n_ops; i++)
        free(f->ops[i].bytes);
    f->n_ops = 0;
}

static inline void file_apply(struct store *s, const struct file_op *op, uint64_t from, uint64_t to)
{
    if (op->bytes != NULL)
        store_write(s, op->at + from, op->bytes + from, to - from);
    else
        store_zero(s, op->at + from, to - from);
}

static inline void file_sync(struct fake_file *f)
{
    for (unsigned i = 0; i < f->n_ops; i++)
        file_apply(&f->durable, &f->ops[i], 0, f->ops[i].len);
    file_forget_ops(f);
}

static inline void file_done(struct fake_file *f)
{
    file_forget_ops(f);
    store_free(&f->now);
    store_free(&f->durable);
}

/* What is there now is durable, too. */
static inline void file_settle(struct fake_file *f)
{
    file_forget_ops(f);
    store_copy(&f->durable, &f->now);
}

static inline void file_note(struct fake_file *f, uint64_t at, const void *bytes, uint64_t len)
{
    struct file_op *op = &f->ops[f->n_ops];

    if (f->n_ops == FILE_OPS_MAX)
        abort();
    *op = (struct file_op){at, len, NULL};
    if (bytes != NULL) {
        op->bytes = malloc(len);
        if (op->bytes == NULL)
            abort();
        memcpy(op->bytes, bytes, len);
    }
    f->n_ops++;
}

/*
 * The power fails: of what was not flushed some survives. Even seeds: whole calls; odd ones: sectors.
 * One seed in eight loses all, one nothing.
 */
static inline void file_power_failure(struct fake_file *f, uint64_t seed)
{
    unsigned mode = seed % 8;

    for (unsigned i = 0; i < f->n_ops && mode != 6; i++) {
        const struct file_op *op = &f->ops[i];
        uint64_t step = seed % 2 == 0 ? op->len : FILE_SECTOR;

        if (op->bytes == NULL && step < op->len)
            step = (op->len / 4 / FILE_SECTOR + 1) * FILE_SECTOR;
        for (uint64_t at = 0; at < op->len; at += step) {
            uint64_t end = at + step < op->len ? at + step : op->len;

            if (mode == 4 || file_random(&seed) % 2 == 0)
                file_apply(&f->durable, op, at, end);
        }
    }
    file_forget_ops(f);
    store_copy(&f->now, &f->durable);
}

/* What happens to this call: 0: it works. *ret_work: it does its work even if it fails. */
static inline int files_call(struct fake_files *fs, uint32_t file, bool *ret_work)
{
    long call = ++fs->calls;

    *ret_work = false;
    if (file >= fs->n) {
        fs->outside = true;
        return -EIO;
    }
    if (fs->cut_at != 0 && call >= fs->cut_at)
        return -EIO;
    if (fs->fail_at == call) {
        *ret_work = fs->fail_after;
        return fs->fail_with;
    }
    *ret_work = true;
    return 0;
}

static inline int files_read(void *self, uint32_t file, uint64_t at, void *buf, size_t len)
{
    struct fake_files *fs = self;
    bool work;
    int r = files_call(fs, file, &work);

    if (r < 0)
        return r;
    if (at > fs->files[file].now.bytes || len > fs->files[file].now.bytes - at) {
        fs->outside = true;
        return -EIO;
    }
    store_read(&fs->files[file].now, at, buf, len);
    return 0;
}

static inline int files_room(const struct fake_file *f, uint64_t at, uint64_t len)
{
    if (f->max_bytes == 0 || (at <= f->max_bytes && len <= f->max_bytes - at))
        return 0;
    return -ENOSPC;
}

static inline int files_write(void *self, uint32_t file, uint64_t at, const void *buf, size_t len)
{
    struct fake_files *fs = self;
    bool work;
    int r = files_call(fs, file, &work);

    if (fs->before_write != NULL)
        fs->before_write(fs, at);
    if (work && files_room(&fs->files[file], at, len) < 0) {
        work = false;
        r = -ENOSPC;
    }
    if (work) {
        store_write(&fs->files[file].now, at, buf, len);
        file_note(&fs->files[file], at, buf, len);
    }
    return r;
}

static inline int files_zero(void *self, uint32_t file, uint64_t at, uint64_t len)
{
    struct fake_files *fs = self;
    bool work;
    int r = files_call(fs, file, &work);

    if (work && files_room(&fs->files[file], at, len) < 0) {
        work = false;
        r = -ENOSPC;
    }
    if (work) {
        store_zero(&fs->files[file].now, at, len);
        file_note(&fs->files[file], at, NULL, len);
    }
    return r;
}

static inline int files_flush(void *self, uint32_t file)
{
    struct fake_files *fs = self;
    bool work;
    int r = files_call(fs, file, &work);

    if (work)
        file_sync(&fs->files[file]);
    return r;
}

static inline struct block_io files_io(struct fake_files *fs)
{
    return (struct block_io){files_read, files_write, files_flush, files_zero, fs};
}
