/*
 * tests/fuzz/fuzz_region.c - a region under commits, records, deaths in the middle of either, and
 * bytes that somebody wrote into it.
 *
 * A list of steps: u8 what, u16 value; writes into the region carry u8 more. Promises checked: a
 * message that is found is one that was committed, whole, and the newest unless the region was
 * written into; a death in the middle of a commit leaves the message of before.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "ipc/region.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    LEN = 32768,
};

struct state {
    uint8_t *map;
    struct region region;
    uint64_t committed; /* how many */
    unsigned logged;    /* since then */
    bool scribbled;     /* since then anything may be there */
};

static uint8_t byte_at(uint64_t seq, size_t i)
{
    return (uint8_t)(seq * 31 + i);
}

static void stage(struct state *s, size_t len)
{
    uint8_t *at = region_stage(&s->region);

    for (size_t i = 0; i < len; i++)
        at[i] = byte_at(s->region.seq + 1, i);
}

static void load(const struct state *s)
{
    static uint8_t buf[LEN];
    size_t len = 0;
    int r = region_load(&s->region, buf, sizeof(buf), &len);

    if (r != 0) {
        if (!s->scribbled && (s->committed > 0 || r != -ENOENT))
            abort();
        return;
    }
    if (len > s->region.cap || region_schema(&s->region) == 0)
        abort();
    for (size_t i = 0; i < len && !s->scribbled; i++) {
        if (buf[i] != byte_at(s->committed, i))
            abort();
    }
}

static void load_log(const struct state *s)
{
    uint8_t buf[REGION_RECORD_MAX];
    size_t len = 0;

    if (!s->scribbled && s->region.n_records != s->logged)
        abort();
    for (unsigned i = 0; i < s->region.n_records; i++) {
        if (region_log_read(&s->region, i, buf, &len) < 0) {
            if (!s->scribbled)
                abort();
            continue;
        }
        for (size_t at = 0; at < len && !s->scribbled; at++) {
            if (buf[at] != byte_at(i, at))
                abort();
        }
    }
}

/* Append a record of len bytes; or die before the end. */
static void log_record(struct state *s, size_t len, bool whole)
{
    uint8_t *at = region_log_stage(&s->region);

    if (at == NULL) {
        if (!s->scribbled && s->committed != 0 && s->logged != REGION_RECORDS)
            abort();
        return;
    }
    for (size_t i = 0; i < len; i++)
        at[i] = byte_at(s->region.n_records, i);
    if (!whole)
        return;
    region_log_append(&s->region, len);
    s->logged = s->region.n_records;
}

/* A death: everything but the memory is gone. */
static bool attach(struct state *s)
{
    if (region_attach(&s->region, s->map, LEN) < 0) {
        if (!s->scribbled)
            abort();
        return false;
    }
    if (!s->scribbled && s->region.seq != s->committed)
        abort();
    return true;
}

static void scribble(struct state *s, uint16_t at, uint8_t value)
{
    s->map[at % LEN] ^= value;
    s->scribbled |= value != 0;
}

/* False when the region cannot be used any more. */
static bool step(struct state *s, struct rd *r)
{
    uint8_t what = rd_u8(r);
    uint16_t value = rd_le16(r);

    switch (what % 6) {
    case 0:
        stage(s, value % (s->region.cap + 1));
        region_commit(&s->region, value % (s->region.cap + 1), 1);
        s->committed = s->region.seq;
        s->logged = 0;
        break;
    case 1:
        stage(s, value % (s->region.cap + 1)); /* and dies */
        return attach(s);
    case 2:
        scribble(s, value, rd_u8(r));
        break;
    case 3:
        log_record(s, value % (REGION_RECORD_MAX + 1), true);
        break;
    case 4:
        log_record(s, value % (REGION_RECORD_MAX + 1), false);
        return attach(s);
    default:
        return attach(s);
    }
    load(s);
    load_log(s);
    return true;
}

/* The slots as they come, with the head that any region has. */
static void load_foreign(struct state *s, const uint8_t *data, size_t size)
{
    s->scribbled = true;
    memcpy(s->map + REGION_HEAD_BYTES, data,
           size < LEN - REGION_HEAD_BYTES ? size : LEN - REGION_HEAD_BYTES);
    if (attach(s)) {
        load(s);
        load_log(s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state s = {.map = aligned_alloc(4096, LEN)};
    struct rd r = rd_over(data, size);

    if (s.map == NULL)
        abort();
    memset(s.map, 0, LEN);
    if (!attach(&s))
        abort();
    if (size > 0 && data[0] == 0xff)
        load_foreign(&s, data + 1, size - 1);
    else
        while (r.left > 0 && rd_ok(&r) && step(&s, &r))
            continue;
    free(s.map);
    return 0;
}
