/*
 * tests/fakes/block_session.h - a guest's writes, discards and flushes on an image that is cut off
 * somewhere, and what may be found afterwards.
 *
 * Each sector that is written carries a number of its own. After a kill every sector shows the last
 * number that was acknowledged, or that of the operation that was cut off. After a power failure it
 * shows what it had at the last flush, or anything that it was given since.
 */
#pragma once

#include <check.h>
#include <malloc.h>
#include <stdio.h>

#include "tests/fakes/block_file.h"

enum {
    SESSION_SECTORS = 1 << 14, /* at most, of the disk */
    SESSION_VALUES = 32,       /* that a sector may show */
    SESSION_RUN = 24,          /* sectors of one write at most */
};

/* An assertion of Check's takes a system call even where it holds. */
#define MUST(holds, ...)                                                                           \
    do {                                                                                           \
        if (!(holds))                                                                              \
            ck_abort_msg(__VA_ARGS__);                                                             \
    } while (0)

struct session {
    struct fake_files files;
    struct fake_file file;
    struct block_io io;
    struct block_spec spec;
    struct block *block;
    uint32_t n_sectors;
    uint32_t next;                                 /* number */
    uint32_t may[SESSION_SECTORS][SESSION_VALUES]; /* the last one is the newest */
    uint8_t n_may[SESSION_SECTORS];                /* 0: zeros, and nothing else */
    uint32_t seen[SESSION_SECTORS];                /* after opening again */
    bool in_doubt;                                 /* the operation was cut off */
    uint32_t doubt_at, doubt_len, doubt_value;     /* by which these may be so */
};

/* Nothing but the format; what it had before is freed. */
static inline void session_init(struct session *s, enum block_format format)
{
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 28); /* most of the time would go into the kernel */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 28);
    block_close(s->block);
    file_done(&s->file);
    s->file.max_bytes = 0;
    s->files = (struct fake_files){0};
    s->spec = (struct block_spec){.format = format};
    s->block = NULL;
    s->in_doubt = false;
}

static inline int session_open(struct session *s, char why[BLOCK_WHY_BYTES])
{
    s->io = files_io(&s->files);
    s->spec.n_members = 1;
    s->spec.file_bytes[0] = s->file.now.bytes;
    s->files.files = &s->file;
    s->files.n = 1;
    return block_open(&s->spec, &s->io, &s->block, why);
}

static inline void session_close(struct session *s)
{
    block_close(s->block);
    s->block = NULL;
}

static inline void session_start(struct session *s)
{
    char why[BLOCK_WHY_BYTES] = "";
    int r;

    file_settle(&s->file);
    r = session_open(s, why);
    ck_assert_msg(r == 0, "open: %d: %s", r, why);
    s->n_sectors = (uint32_t)(block_info(s->block)->bytes / FILE_SECTOR);
    ck_assert_uint_le(s->n_sectors, SESSION_SECTORS);
    memset(s->n_may, 0, sizeof(s->n_may));
    s->next = 1;
}

static inline uint32_t session_now(const struct session *s, uint32_t sector)
{
    return s->n_may[sector] == 0 ? 0 : s->may[sector][s->n_may[sector] - 1];
}

/* The sector has this value now; until the next flush an older one may come back. */
static inline void session_set(struct session *s, uint32_t sector, uint32_t value)
{
    uint8_t n = s->n_may[sector];

    if (n == 0)
        s->may[sector][n++] = 0;
    MUST(n < SESSION_VALUES, "too many values"); /* no sector is met so often between two flushes */
    s->may[sector][n++] = value;
    s->n_may[sector] = n;
}

static inline void session_doubt(struct session *s, uint32_t at, uint32_t len, uint32_t value)
{
    s->in_doubt = true;
    s->doubt_at = at;
    s->doubt_len = len;
    s->doubt_value = value;
}

/* One piece of a write, as the device above a block does it. 0 or negative errno. */
static inline int session_piece(struct session *s, uint64_t at, uint64_t len, const uint8_t *bytes,
                                uint64_t *ret_len)
{
    struct block_extent e;
    int r = 0;

    block_map(s->block, at, len, &e);
    if (e.kind == BLOCK_ZERO) {
        r = block_allocate(s->block, at, len);
        if (r < 0)
            return r;
        block_map(s->block, at, len, &e);
        MUST(e.kind == BLOCK_DATA, "allocated, and not there");
    }
    MUST(e.len >= 1 && e.len <= len, "an extent of another length");
    r = s->io.write(s->io.self, e.file, e.offset, bytes, e.len);
    *ret_len = e.len;
    return r;
}

static inline int session_write(struct session *s, uint32_t at, uint32_t n)
{
    static uint8_t bytes[SESSION_RUN * FILE_SECTOR];
    uint32_t value = s->next++;
    uint64_t done = 0;
    uint64_t len = (uint64_t)n * FILE_SECTOR;

    for (size_t i = 0; i < len / 4; i++)
        memcpy(bytes + 4 * i, &value, 4);
    while (done < len) {
        uint64_t piece = 0;
        int r =
            session_piece(s, (uint64_t)at * FILE_SECTOR + done, len - done, bytes + done, &piece);

        if (r < 0) {
            session_doubt(s, at, n, value);
            return r;
        }
        done += piece;
    }
    for (uint32_t i = 0; i < n; i++)
        session_set(s, at + i, value);
    return 0;
}

/* Punch out what is in the file, then tell the driver. */
static inline int session_discard(struct session *s, uint32_t at, uint32_t n)
{
    uint64_t from = (uint64_t)at * FILE_SECTOR;
    uint64_t left = (uint64_t)n * FILE_SECTOR;
    bool zeroed = false;
    int r = 0;

    session_doubt(s, at, n, 0);
    while (r == 0 && left > 0) {
        struct block_extent e;

        block_map(s->block, from, left, &e);
        if (e.kind == BLOCK_DATA)
            r = s->io.zero(s->io.self, e.file, e.offset, e.len);
        from += e.len;
        left -= e.len;
    }
    if (r == 0)
        r = block_discard(s->block, (uint64_t)at * FILE_SECTOR, (uint64_t)n * FILE_SECTOR, &zeroed);
    if (r < 0)
        return r;
    s->in_doubt = false;
    for (uint32_t i = 0; i < n; i++)
        session_set(s, at + i, 0);
    return 0;
}

static inline int session_flush(struct session *s)
{
    int r = s->io.flush(s->io.self, 0);

    if (r == 0)
        r = block_flush(s->block);
    for (uint32_t i = 0; r == 0 && i < s->n_sectors; i++) {
        uint32_t value = session_now(s, i);

        s->n_may[i] = value != 0;
        s->may[i][0] = value;
    }
    return r;
}

/* Something the guest does; most of it in a few blocks, so that they are met again. */
static inline int session_step(struct session *s, uint64_t *seed)
{
    uint32_t what = file_random(seed) % 16;
    uint32_t at = file_random(seed) % s->n_sectors;
    uint32_t n = file_random(seed) % SESSION_RUN + 1;

    if (what < 2)
        return session_flush(s);
    if (what < 5) {
        uint32_t unit = block_info(s->block)->discard_bytes / FILE_SECTOR;

        if (what < 4)
            at -= at % unit;
        n = what < 4 ? unit * (n % 3 + 1) : n * unit / 8 + 1;
        return session_discard(s, at, at + n > s->n_sectors ? s->n_sectors - at : n);
    }
    return session_write(s, at, at + n > s->n_sectors ? s->n_sectors - at : n);
}

/* What a sector shows: its number, or UINT32_MAX for a mixture. */
static inline uint32_t session_read(struct session *s, uint32_t sector)
{
    uint32_t words[FILE_SECTOR / 4];
    struct block_extent e;

    block_map(s->block, (uint64_t)sector * FILE_SECTOR, FILE_SECTOR, &e);
    if (e.kind == BLOCK_ZERO)
        return 0;
    MUST(e.len == FILE_SECTOR, "a sector in two pieces");
    MUST(e.offset + e.len <= s->file.now.bytes, "outside the file");
    store_read(&s->file.now, e.offset, words, sizeof(words));
    if (memcmp(words, words + 1, sizeof(words) - 4) != 0)
        return UINT32_MAX;
    return words[0];
}

static inline bool session_may(const struct session *s, uint32_t sector, uint32_t value, bool power)
{
    if (s->in_doubt && sector >= s->doubt_at && sector - s->doubt_at < s->doubt_len &&
        value == s->doubt_value)
        return true;
    if (!power || s->n_may[sector] == 0)
        return value == session_now(s, sector);
    for (unsigned i = 0; i < s->n_may[sector]; i++) {
        if (s->may[sector][i] == value)
            return true;
    }
    return false;
}

/* After it was opened again: only what may be seen is, and from now on exactly that. */
static inline void session_check(struct session *s, bool power, const char *when)
{
    for (uint32_t i = 0; i < s->n_sectors; i++) {
        uint32_t value = session_read(s, i);

        MUST(session_may(s, i, value, power), "%s: sector %u has %u, not %u", when, i, value,
             session_now(s, i));
        s->n_may[i] = value != 0;
        s->may[i][0] = value;
    }
    s->in_doubt = false;
}

/*
 * After an operation that failed: what is still there can be written, without the driver hearing of
 * it. A change that has not happened must not happen later, for then it would take that away.
 */
static inline void session_write_over(struct session *s)
{
    uint32_t at = s->doubt_at;
    uint32_t end = s->doubt_at + s->doubt_len;

    session_check(s, false, "after a failure");
    for (uint32_t n = 0; at < end && n < 8; at += (end - s->doubt_at) / 8 + 1, n++) {
        struct block_extent e;

        block_map(s->block, (uint64_t)at * FILE_SECTOR, FILE_SECTOR, &e);
        if (e.kind == BLOCK_DATA)
            ck_assert_int_eq(session_write(s, at, 1), 0);
    }
}

/* What a test does with an image that was cut off. */
struct cut {
    long at;          /* call */
    bool power;       /* a power failure, not a kill */
    uint64_t seed;    /* of the failure, and of the guest */
    unsigned n_steps; /* of the guest */
};

static inline void session_reopen(struct session *s, const struct cut *c, const char *when)
{
    char why[BLOCK_WHY_BYTES] = "";
    int r;

    session_close(s);
    if (c->power)
        file_power_failure(&s->file, c->seed * 31 + (uint64_t)c->at);
    s->files.calls = 0;
    s->files.cut_at = 0;
    s->files.fail_at = 0;
    r = session_open(s, why);
    ck_assert_msg(r == 0, "%s: call %ld, seed %llu, power %d: %d: %s", when, c->at,
                  (unsigned long long)c->seed, c->power, r, why);
    session_check(s, c->power, when);
}

/* Open again, but that is cut off as well. */
static inline void session_reopen_badly(struct session *s, const struct cut *c, long at)
{
    char why[BLOCK_WHY_BYTES] = "";

    session_close(s);
    if (c->power)
        file_power_failure(&s->file, c->seed * 31 + (uint64_t)c->at);
    s->files.calls = 0;
    s->files.cut_at = at;
    (void)!session_open(s, why);
}

/* One call of many fails, and the guest goes on: it may be killed, but nothing is lost. */
static inline void session_run_failing(struct session *s, long call, bool after, unsigned n_steps)
{
    const struct cut killed = {call, false, 0, 0};
    uint64_t seed = (uint64_t)call;

    session_start(s);
    s->files.calls = 0;
    s->files.fail_at = call;
    s->files.fail_with = call % 2 == 0 ? -EIO : -ENOSPC;
    s->files.fail_after = after;
    for (unsigned i = 0; i < n_steps; i++) {
        if (session_step(s, &seed) == 0)
            continue;
        if (s->files.calls < call)
            ck_abort_msg("failed before call %ld", call);
        if (call % 4 < 2)
            session_write_over(s);
        if (call % 4 != 2)
            session_reopen(s, &killed, "killed after a failure");
        else
            session_check(s, false, "after a failure");
    }
    s->files.fail_at = 0;
    ck_assert_int_eq(session_flush(s), 0);
    session_reopen(s, &(struct cut){call, true, 6, 0}, "after a failure and a flush");
}

/* The whole story of one cut. True: the guest was done before it came. */
static inline bool session_run(struct session *s, const struct cut *c)
{
    uint64_t seed = c->seed;
    unsigned step = 0;
    int r = 0;

    session_start(s);
    s->files.calls = 0;
    s->files.cut_at = c->at;
    for (; r == 0 && step < c->n_steps; step++)
        r = session_step(s, &seed);
    if (c->at % 3 == 0)
        session_reopen_badly(s, c, 1 + c->at % 17 * 3);
    session_reopen(s, c, "opened again");
    for (unsigned i = 0; i < 6; i++)
        ck_assert_int_eq(session_step(s, &seed), 0);
    ck_assert_int_eq(session_flush(s), 0);
    session_reopen(s, &(struct cut){c->at, true, 6, 0}, "written again");
    session_close(s);
    ck_assert(!s->files.outside);
    return step == c->n_steps && r == 0;
}
