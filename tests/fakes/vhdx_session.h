/*
 * tests/fakes/vhdx_session.h - a VHDX under test, and what its tests look at.
 */
#pragma once

#include <check.h>
#include <stdlib.h>

#include "base/macro.h"
#include "tests/fakes/block_session.h"
#include "tests/fakes/vhdx_image.h"

enum {
    MIB = 1 << 20,
    N_BLOCKS = 7,
    BYTES = N_BLOCKS * MIB - 4096, /* the last one is not whole */
    FIRST = 4 * MIB,               /* of a block */
    PRESENT = 6,
};

static struct session s;
static char why[BLOCK_WHY_BYTES];
static const uint8_t log_guid[16] = {1, 2, 3};
static const struct xi_spec plain = {BYTES, MIB, 512};

static inline void make(const struct xi_spec *spec)
{
    session_init(&s, BLOCK_VHDX);
    (void)xi_make(&s.file.now, spec);
}

static inline void setup(void)
{
    make(&plain);
}

static inline void teardown(void)
{
    session_close(&s);
    file_done(&s.file);
}

static inline void put_entry(unsigned entry, uint64_t mib, unsigned state)
{
    xi_put(&s.file.now, XI_BAT_AT + 8 * entry, mib << 20 | state, 8);
}

static inline uint64_t get_entry(unsigned entry)
{
    return xi_get(&s.file.now, XI_BAT_AT + 8 * entry, 8);
}

static inline uint64_t newest_header(void)
{
    uint64_t first = xi_get(&s.file.now, XI_HEADER_1 + XI_H_SEQUENCE, 8);

    return xi_get(&s.file.now, XI_HEADER_2 + XI_H_SEQUENCE, 8) > first ? XI_HEADER_2 : XI_HEADER_1;
}

static inline bool log_is_empty(void)
{
    uint64_t at = newest_header() + XI_H_LOG_GUID;

    return xi_get(&s.file.now, at, 8) == 0 && xi_get(&s.file.now, at + 8, 8) == 0;
}

static inline void expect_open(void)
{
    int r = session_open(&s, why);

    ck_assert_msg(r == 0, "%d: %s", r, why);
}

static inline void expect_refused(int err, const char *text)
{
    int r;

    why[0] = 0;
    r = session_open(&s, why);
    ck_assert_msg(r == err, "%s: %d: %s", text, r, why);
    ck_assert_msg(strstr(why, text) != NULL, "%s: %s", text, why);
    ck_assert_ptr_null(s.block);
    ck_assert_uint_eq(s.file.n_ops, 0); /* nothing was written */
    ck_assert(!s.files.outside);
}

/* A field, what it becomes, and what is said of it. */
struct corruption {
    uint64_t at;
    unsigned len;
    uint64_t value;
    bool fix; /* the checksums are right */
    int err;
    const char *text;
};
