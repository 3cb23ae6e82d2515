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
    STEPS = 40,
    PRESENT = 6,
};

static struct session s;
static char why[BLOCK_WHY_BYTES];
static const uint8_t log_guid[16] = {1, 2, 3};
static const struct xi_spec plain = {BYTES, MIB, 512};

static void make(const struct xi_spec *spec)
{
    session_init(&s, BLOCK_VHDX);
    (void)xi_make(&s.file.now, spec);
}

static void setup(void)
{
    make(&plain);
}

static void teardown(void)
{
    session_close(&s);
    file_done(&s.file);
}

static void put_entry(unsigned entry, uint64_t mib, unsigned state)
{
    xi_put(&s.file.now, XI_BAT_AT + 8 * entry, mib << 20 | state, 8);
}

static uint64_t get_entry(unsigned entry)
{
    return xi_get(&s.file.now, XI_BAT_AT + 8 * entry, 8);
}

static uint64_t newest_header(void)
{
    uint64_t first = xi_get(&s.file.now, XI_HEADER_1 + XI_H_SEQUENCE, 8);

    return xi_get(&s.file.now, XI_HEADER_2 + XI_H_SEQUENCE, 8) > first ? XI_HEADER_2 : XI_HEADER_1;
}

static bool log_is_empty(void)
{
    uint64_t at = newest_header() + XI_H_LOG_GUID;

    return xi_get(&s.file.now, at, 8) == 0 && xi_get(&s.file.now, at + 8, 8) == 0;
}

static void expect_open(void)
{
    int r = session_open(&s, why);

    ck_assert_msg(r == 0, "%d: %s", r, why);
}

static void expect_refused(int err, const char *text)
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

static void expect_data(uint64_t at, uint64_t offset, uint64_t len)
{
    struct block_extent e;

    block_map(s.block, at, BYTES, &e);
    ck_assert_int_eq(e.kind, BLOCK_DATA);
    ck_assert_uint_eq(e.offset, offset);
    ck_assert_uint_eq(e.len, len);
}

START_TEST(an_empty_image_is_zeros)
{
    struct block_extent e;

    s.spec.read_only = true;
    expect_open();
    ck_assert_uint_eq(block_info(s.block)->bytes, BYTES);
    ck_assert_uint_eq(block_info(s.block)->block_bytes, 512);
    ck_assert_uint_eq(block_info(s.block)->physical_bytes, 4096);
    ck_assert_uint_eq(block_info(s.block)->discard_bytes, MIB);
    ck_assert_uint_eq(block_info(s.block)->identity[7], 0x83);
    block_map(s.block, 100, BYTES - 100, &e);
    ck_assert_int_eq(e.kind, BLOCK_ZERO);
    ck_assert_uint_eq(e.len, MIB - 100);
    ck_assert_uint_eq(s.file.n_ops, 0);
}
END_TEST

START_TEST(sectors_may_have_4096_bytes)
{
    make(&(struct xi_spec){BYTES, MIB, 4096});
    expect_open();
    ck_assert_uint_eq(block_info(s.block)->block_bytes, 4096);
    ck_assert_int_eq(block_allocate(s.block, 0, 1), 0);
}
END_TEST

START_TEST(each_state_is_read_as_it_means)
{
    static const unsigned states[] = {0, 1, 2, 3};

    for (unsigned i = 0; i < COUNT_OF(states); i++)
        put_entry(i, 5, states[i]);
    put_entry(5, 4, PRESENT);
    store_resize(&s.file.now, 6 * MIB);
    expect_open();
    for (uint32_t i = 0; i < COUNT_OF(states); i++)
        ck_assert_uint_eq(session_read(&s, i * MIB / 512), 0);
    expect_data(5 * MIB + 512, FIRST + 512, MIB - 512);
}
END_TEST

START_TEST(opening_to_write_renews_the_identifiers)
{
    uint8_t before[32];
    uint8_t after[32];
    uint64_t sequence;

    store_read(&s.file.now, XI_HEADER_1 + 16, before, sizeof(before));
    expect_open();
    store_read(&s.file.now, newest_header() + 16, after, sizeof(after));
    ck_assert_mem_ne(before, after, 16);
    ck_assert_mem_ne(before + 16, after + 16, 16);
    ck_assert_mem_ne(after, after + 16, 16);
    sequence = xi_get(&s.file.now, newest_header() + XI_H_SEQUENCE, 8);
    ck_assert_uint_eq(sequence, 9); /* once into each header */
    session_close(&s);
    expect_open();
    store_read(&s.file.now, newest_header() + 16, before, sizeof(before));
    ck_assert_mem_ne(before, after, 16); /* even of the same random bytes */
}
END_TEST

START_TEST(a_new_block_waits_in_the_log)
{
    expect_open();
    ck_assert_int_eq(block_allocate(s.block, 5 * MIB + 17, 1), 0);
    expect_data(5 * MIB, FIRST, MIB);
    ck_assert_uint_eq(get_entry(5), 0);
    ck_assert(!log_is_empty());
    ck_assert_int_eq(block_flush(s.block), 0);
    ck_assert_uint_eq(get_entry(5), (uint64_t)FIRST | PRESENT);
    ck_assert(log_is_empty());
    s.files.calls = 0;
    ck_assert_int_eq(block_flush(s.block), 0);
    ck_assert_int_eq(s.files.calls, 0); /* nothing to do */
}
END_TEST

START_TEST(a_new_block_does_not_wait_for_the_disk_each_time)
{
    expect_open();
    ck_assert_int_eq(block_allocate(s.block, 0, 1), 0);
    s.files.calls = 0;
    ck_assert_int_eq(block_allocate(s.block, MIB, 1), 0);
    ck_assert_int_eq(s.files.calls, 1); /* one write, no flush */
}
END_TEST

START_TEST(a_full_log_is_emptied)
{
    make(&(struct xi_spec){UINT64_C(1024) * MIB, MIB, 512});
    expect_open();
    for (uint64_t i = 0; i < 300; i++)
        ck_assert_int_eq(block_allocate(s.block, i * MIB, 1), 0);
    session_close(&s);
    expect_open();
    for (uint64_t i = 0; i < 300; i++)
        ck_assert_uint_eq(get_entry((unsigned)i) & 7, PRESENT);
    ck_assert(log_is_empty());
}
END_TEST

/* The entry for a bitmap that there is not is behind each chunk of blocks. */
START_TEST(entries_for_bitmaps_are_stepped_over)
{
    const uint64_t ratio = 128; /* 2^23 * 512 / 32 MiB */

    make(&(struct xi_spec){UINT64_C(32) * MIB * 300, 32 * MIB, 512});
    expect_open();
    ck_assert_int_eq(block_allocate(s.block, (ratio - 1) * 32 * MIB, 1), 0);
    ck_assert_int_eq(block_allocate(s.block, ratio * 32 * MIB, 1), 0);
    ck_assert_int_eq(block_allocate(s.block, 2 * ratio * 32 * MIB, 1), 0);
    ck_assert_int_eq(block_flush(s.block), 0);
    ck_assert_uint_eq(get_entry(ratio - 1) & 7, PRESENT);
    ck_assert_uint_eq(get_entry(ratio), 0);
    ck_assert_uint_eq(get_entry(ratio + 1) & 7, PRESENT);
    ck_assert_uint_eq(get_entry(2 * ratio + 1), 0);
    ck_assert_uint_eq(get_entry(2 * ratio + 2) & 7, PRESENT);
    session_close(&s);
    expect_open();
    ck_assert_uint_eq(session_read(&s, 0), 0);
}
END_TEST

START_TEST(a_discarded_block_is_zeros_and_used_again)
{
    bool zeroed = false;
    uint64_t place;

    expect_open();
    for (uint64_t i = 0; i < N_BLOCKS - 2; i++)
        ck_assert_int_eq(block_allocate(s.block, i * MIB, 1), 0);
    ck_assert_int_eq(block_flush(s.block), 0);
    place = get_entry(2) >> 20;
    ck_assert_int_eq(block_discard(s.block, MIB, 3 * MIB - 512, &zeroed), 0);
    ck_assert(!zeroed);
    ck_assert_uint_eq(session_read(&s, 2 * MIB / 512), 0);
    ck_assert_int_eq(block_discard(s.block, MIB, 2 * MIB, &zeroed), 0);
    ck_assert(zeroed);
    ck_assert_int_eq(block_flush(s.block), 0);
    ck_assert_uint_eq(get_entry(1), 2);
    ck_assert_uint_eq(get_entry(2), 2);
    session_close(&s);
    expect_open();
    ck_assert_int_eq(block_allocate(s.block, 5 * MIB, 1), 0);
    ck_assert_int_eq(block_allocate(s.block, 6 * MIB, 1), 0);
    ck_assert_int_eq(block_flush(s.block), 0);
    ck_assert(get_entry(5) >> 20 == place || get_entry(6) >> 20 == place);
}
END_TEST

START_TEST(a_fixed_image_keeps_its_blocks)
{
    bool zeroed = true;

    xi_put(&s.file.now, xi_item_at(XI_PARAMETERS) + 4, 1, 4);
    expect_open();
    ck_assert_int_eq(block_allocate(s.block, 0, 1), 0);
    ck_assert_int_eq(block_discard(s.block, 0, MIB, &zeroed), 0);
    ck_assert(!zeroed);
    expect_data(0, FIRST, MIB);
}
END_TEST

/* What an unmapped block still names may be somebody's: nothing is put there. */
START_TEST(places_that_unmapped_blocks_name_are_left_alone)
{
    put_entry(3, 5, 3);
    put_entry(0, 7, PRESENT);
    store_resize(&s.file.now, 9 * MIB);
    expect_open();
    ck_assert_int_eq(block_allocate(s.block, MIB, 1), 0);
    expect_data(MIB, 9 * MIB, MIB);
    ck_assert_int_eq(block_flush(s.block), 0);
    ck_assert_uint_eq(get_entry(3), (uint64_t)5 * MIB | 3);
}
END_TEST

START_TEST(the_last_block_may_be_as_short_as_the_disk)
{
    put_entry(N_BLOCKS - 1, 4, PRESENT);
    store_resize(&s.file.now, FIRST + MIB - 4096);
    expect_open();
    ck_assert_int_eq(block_allocate(s.block, 0, 1), 0);
    expect_data(0, FIRST + MIB, MIB);
}
END_TEST

START_TEST(a_device_does_not_grow)
{
    store_resize(&s.file.now, FIRST + 2 * MIB + 4096);
    s.spec.is_device[0] = true;
    expect_open();
    ck_assert_int_eq(block_allocate(s.block, 0, 1), 0);
    ck_assert_int_eq(block_allocate(s.block, MIB, 1), 0);
    ck_assert_int_eq(block_allocate(s.block, 2 * MIB, 1), -ENOSPC);
    session_close(&s);
    expect_open();
}
END_TEST

START_TEST(a_full_file_system_is_survived)
{
    s.file.max_bytes = FIRST + 3 * MIB;
    expect_open();
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_int_eq(block_allocate(s.block, i * MIB, 1), 0);
    ck_assert_int_eq(block_allocate(s.block, 3 * MIB, 1), -ENOSPC);
    ck_assert_int_eq(block_flush(s.block), 0);
    s.file.max_bytes = 0;
    ck_assert_int_eq(block_allocate(s.block, 3 * MIB, 1), 0);
}
END_TEST

START_TEST(the_largest_image_needs_little)
{
    const uint64_t bytes = UINT64_C(64) << 40;

    make(&(struct xi_spec){bytes, 2 * MIB, 512});
    expect_open();
    ck_assert_uint_eq(block_info(s.block)->bytes, bytes);
    ck_assert_int_eq(block_allocate(s.block, bytes - 1, 1), 0);
    ck_assert_int_eq(block_flush(s.block), 0);
    session_close(&s);
    expect_open();
}
END_TEST

START_TEST(the_newer_good_header_counts)
{
    xi_put(&s.file.now, XI_HEADER_1 + XI_H_LOG_AT, 77, 8); /* and its checksum is wrong */
    expect_open();
    session_close(&s);
    make(&plain);
    xi_put(&s.file.now, XI_HEADER_2 + XI_H_SEQUENCE, 8, 8);
    xi_put(&s.file.now, XI_HEADER_2 + XI_H_LOG_AT, 77, 8);
    xi_fix_sums(&s.file.now);
    expect_refused(-EBADMSG, "the log is not of whole MiB");
}
END_TEST

START_TEST(one_good_region_table_is_enough)
{
    xi_put(&s.file.now, XI_REGIONS_1 + 100, 77, 8);
    expect_open();
}
END_TEST

START_TEST(two_headers_of_one_age_must_be_the_same)
{
    xi_put(&s.file.now, XI_HEADER_2 + XI_H_SEQUENCE, 7, 8);
    xi_fix_sums(&s.file.now);
    s.spec.read_only = true;
    expect_open();
    session_close(&s);
    xi_put(&s.file.now, XI_HEADER_2 + 16, 7, 8);
    xi_fix_sums(&s.file.now);
    expect_refused(-EBADMSG, "equally new and differ");
}
END_TEST

/* A field, what it becomes, and what is said of it. */
struct corruption {
    uint64_t at;
    unsigned len;
    uint64_t value;
    bool fix; /* the checksums are right */
    int err;
    const char *text;
};

enum {
    BOTH = 1 << 30,   /* + offset in a header: in both */
    TABLES = 1 << 29, /* + offset in a region table: in both */
    ROW = XI_METADATA_AT + 32,
    ITEM = XI_ITEMS_AT,
    BAT_ROW = TABLES + 16,
    METADATA_ROW = TABLES + 48,
};

static const struct corruption corruptions[] = {
    {0,                     1, 'V',                false, -EBADMSG,    "no VHDX identifier"             },
    {BOTH + 0,              1, 'H',                true,  -EBADMSG,    "neither header"                 },
    {BOTH + 2000,           1, 1,                  false, -EBADMSG,    "neither header"                 },
    {BOTH + XI_H_VERSION,   2, 2,                  true,  -EOPNOTSUPP, "format version 2 is not known"  },
    {BOTH + XI_H_LOG_BYTES, 4, 0,                  true,  -EBADMSG,    "log is not of whole MiB"        },
    {BOTH + XI_H_LOG_BYTES, 4, 4096,               true,  -EBADMSG,    "log is not of whole MiB"        },
    {BOTH + XI_H_LOG_BYTES, 4, 0xfff00000,         true,  -EBADMSG,    "log is outside"                 },
    {BOTH + XI_H_LOG_AT,    8, 0,                  true,  -EBADMSG,    "log is not of whole MiB"        },
    {BOTH + XI_H_LOG_AT,    8, 4096,               true,  -EBADMSG,    "log is not of whole MiB"        },
    {BOTH + XI_H_LOG_AT,    8, 100 << 20,          true,  -EBADMSG,    "log is outside"                 },
    {BOTH + XI_H_LOG_AT,    8, 2 << 20,            true,  -EBADMSG,    "two things are in one place"    },
    {TABLES + 0,            1, 'R',                true,  -EBADMSG,    "neither region table"           },
    {TABLES + 60000,        1, 1,                  false, -EBADMSG,    "neither region table"           },
    {TABLES + 8,            4, 2048,               true,  -EBADMSG,    "claims 2048 rows"               },
    {TABLES + 8,            4, 0,                  true,  -EBADMSG,    "no block allocation table"      },
    {TABLES + 8,            4, 1,                  true,  -EBADMSG,    "names no metadata"              },
    {TABLES + 8,            4, 3,                  true,  -EBADMSG,    "not of whole MiB"               },
    {BAT_ROW + 0,           4, 1,                  true,  -EOPNOTSUPP, "region that is required"        },
    {BAT_ROW + 16,          8, 0,                  true,  -EBADMSG,    "not of whole MiB"               },
    {BAT_ROW + 16,          8, 4097,               true,  -EBADMSG,    "not of whole MiB"               },
    {BAT_ROW + 16,          8, 50 << 20,           true,  -EBADMSG,    "region is outside"              },
    {BAT_ROW + 16,          8, 1 << 20,            true,  -EBADMSG,    "two things are in one place"    },
    {BAT_ROW + 24,          4, 0,                  true,  -EBADMSG,    "not of whole MiB"               },
    {BAT_ROW + 24,          4, 5,                  true,  -EBADMSG,    "not of whole MiB"               },
    {BAT_ROW + 24,          4, 0x40000000,         true,  -EBADMSG,    "region is outside"              },
    {METADATA_ROW + 0,      4, 1,                  true,  -EOPNOTSUPP, "region that is required"        },
    {METADATA_ROW + 16,     8, 3 << 20,            true,  -EBADMSG,    "metadata have no signature"     },
    {XI_METADATA_AT,        1, 'M',                true,  -EBADMSG,    "metadata have no signature"     },
    {XI_METADATA_AT + 10,   2, 2048,               true,  -EBADMSG,    "claim 2048 items"               },
    {XI_METADATA_AT + 10,   2, 4,                  true,  -EBADMSG,    "no physical sector size"        },
    {ROW + 0,               4, 1,                  true,  -EOPNOTSUPP, "item that is required"          },
    {ROW + 16,              4, 100,                true,  -EBADMSG,    "file parameters has a wrong"    },
    {ROW + 16,              4, 1 << 20,            true,  -EBADMSG,    "file parameters has a wrong"    },
    {ROW + 20,              4, 4,                  true,  -EBADMSG,    "file parameters has a wrong"    },
    {ROW + 24,              4, 5,                  true,  -EOPNOTSUPP, "item that is required"          },
    {ROW + 24,              4, 1,                  true,  -EBADMSG,    "no file parameters"             },
    {ITEM + 0,              4, 0,                  true,  -EBADMSG,    "blocks of 0 bytes"              },
    {ITEM + 0,              4, 3 << 20,            true,  -EBADMSG,    "blocks of 3145728 bytes"        },
    {ITEM + 0,              4, 1 << 19,            true,  -EBADMSG,    "blocks of 524288 bytes"         },
    {ITEM + 0,              4, 1 << 29,            true,  -EBADMSG,    "blocks of 536870912 bytes"      },
    {ITEM + 4,              4, 2,                  true,  -EOPNOTSUPP, "differencing VHDX"              },
    {ITEM + 16,             8, 0,                  true,  -EBADMSG,    "whole sectors"                  },
    {ITEM + 16,             8, 700,                true,  -EBADMSG,    "whole sectors"                  },
    {ITEM + 16,             8, 0x400000000200,     true,  -EBADMSG,    "more than 64 TiB"               },
    {ITEM + 16,             8, 0x4000000000,       true,  -EBADMSG,    "table is too short"             },
    {ITEM + 48,             4, 1024,               true,  -EBADMSG,    "logical sectors of 1024"        },
    {ITEM + 64,             4, 0,                  true,  -EBADMSG,    "physical sectors of 0"          },
    {XI_BAT_AT,             8, 8,                  true,  -EBADMSG,    "reserved bits"                  },
    {XI_BAT_AT,             8, 4,                  true,  -EBADMSG,    "a state that does not exist"    },
    {XI_BAT_AT,             8, 5,                  true,  -EBADMSG,    "a state that does not exist"    },
    {XI_BAT_AT,             8, 7,                  true,  -EBADMSG,    "partly in a parent"             },
    {XI_BAT_AT,             8, 6,                  true,  -EBADMSG,    "block 0 is outside"             },
    {XI_BAT_AT,             8, 0x100006,           true,  -EBADMSG,    "one place of the file, at MiB 1"},
    {XI_BAT_AT,             8, 0x300006,           true,  -EBADMSG,    "one place of the file, at MiB 3"},
    {XI_BAT_AT,             8, 0x400006,           true,  -EBADMSG,    "one place of the file, at MiB 4"},
    {XI_BAT_AT,             8, 0x500006,           true,  -EBADMSG,    "block 0 is outside"             },
    {XI_BAT_AT,             8, 0xfffffffffff00006, true,  -EBADMSG,    "block 0 is outside"             },
};

static void put_everywhere(const struct corruption *c)
{
    uint64_t first = c->at;
    uint64_t step = 0;

    if (c->at >= BOTH) {
        first = XI_HEADER_1 + c->at - BOTH;
        step = XI_HEADER_2 - XI_HEADER_1;
    } else if (c->at >= TABLES) {
        first = XI_REGIONS_1 + c->at - TABLES;
        step = XI_REGIONS_2 - XI_REGIONS_1;
    }
    xi_put(&s.file.now, first, c->value, (int)c->len);
    xi_put(&s.file.now, first + step, c->value, (int)c->len);
}

START_TEST(each_corruption_is_refused)
{
    const struct corruption *c = &corruptions[_i];

    put_entry(2, 4, PRESENT);
    store_resize(&s.file.now, FIRST + MIB);
    put_everywhere(c);
    if (c->fix)
        xi_fix_sums(&s.file.now);
    expect_refused(c->err, c->text);
}
END_TEST

START_TEST(what_the_tables_say_twice_is_refused)
{
    store_write(&s.file.now, XI_REGIONS_1 + 48, xi_bat_guid, 16);
    xi_fix_sums(&s.file.now);
    expect_refused(-EBADMSG, "a region twice");
    make(&plain);
    store_write(&s.file.now, xi_item_row(XI_SIZE), xi_item_guids[XI_PARAMETERS], 16);
    expect_refused(-EBADMSG, "file parameters is there twice");
    make(&(struct xi_spec){UINT64_C(32) * MIB * 300, 32 * MIB, 512});
    put_entry(128, 9, PRESENT);
    expect_refused(-EBADMSG, "a bitmap of what is in a parent");
}
END_TEST

START_TEST(an_unknown_region_is_not_touched)
{
    static const uint8_t guid[16] = {9, 9, 9};

    store_resize(&s.file.now, FIRST + 3 * MIB);
    for (uint64_t at = XI_REGIONS_1; at <= XI_REGIONS_2; at += XI_REGIONS_2 - XI_REGIONS_1) {
        xi_put(&s.file.now, at + 8, 3, 4);
        xi_region(&s.file.now, at + 80, guid, FIRST + MIB, MIB);
        xi_put(&s.file.now, at + 80 + 28, 0, 4);
    }
    xi_fix_sums(&s.file.now);
    expect_open();
    for (uint64_t i = 0; i < N_BLOCKS; i++) {
        struct block_extent e;

        ck_assert_int_eq(block_allocate(s.block, i * MIB, 1), 0);
        block_map(s.block, i * MIB, 1, &e);
        ck_assert_uint_ne(e.offset, FIRST + MIB);
    }
}
END_TEST

START_TEST(a_file_that_was_cut_off_is_refused)
{
    put_entry(2, 4, PRESENT);
    store_resize(&s.file.now, FIRST + MIB);
    for (uint64_t bytes = 0; bytes < FIRST + MIB; bytes += 40961) {
        struct store whole = {0};

        store_copy(&whole, &s.file.now);
        store_resize(&s.file.now, bytes);
        ck_assert_int_eq(session_open(&s, why), -EBADMSG);
        ck_assert_uint_eq(s.file.n_ops, 0);
        store_copy(&s.file.now, &whole);
        store_free(&whole);
    }
}
END_TEST

/* The log names one more entry: block's place is MiB mib. */
struct change {
    unsigned block;
    uint64_t mib;
};

static uint8_t bat_sector[4096];

static uint32_t put_change(const struct change *c, uint32_t at, uint32_t tail, uint64_t sequence)
{
    struct xi_write w = {.offset = XI_BAT_AT, .bytes = bat_sector};
    struct xi_entry e = {.at = at,
                         .tail = tail,
                         .sequence = sequence,
                         .flushed_bytes = 4 * MIB,
                         .last_bytes = (c->mib + 1) * MIB,
                         .writes = &w,
                         .n = 1};

    xi_le(bat_sector + 8 * c->block, c->mib << 20 | PRESENT, 8);
    return xi_log_entry(&s.file.now, XI_LOG_BYTES, log_guid, &e);
}

static void name_log(void)
{
    store_write(&s.file.now, XI_HEADER_1 + XI_H_LOG_GUID, log_guid, sizeof(log_guid));
    xi_fix_sums(&s.file.now);
}

static void expect_replayed(unsigned blocks)
{
    expect_open();
    for (unsigned i = 0; i < N_BLOCKS; i++)
        ck_assert_uint_eq(get_entry(i), i < blocks ? (uint64_t)(4 + i) * MIB | PRESENT : 0);
    ck_assert_uint_ge(s.file.now.bytes, (uint64_t)(4 + blocks) * MIB);
    ck_assert(log_is_empty());
}

static void put_three(uint32_t at, uint64_t sequence)
{
    uint32_t tail = at;

    memset(bat_sector, 0, sizeof(bat_sector));
    for (unsigned i = 0; i < 3; i++)
        at = (at + put_change(&(struct change){i, 4 + i}, at, tail, sequence + i)) % XI_LOG_BYTES;
}

START_TEST(all_of_a_sequence_is_replayed)
{
    put_three(0, 100);
    name_log();
    expect_replayed(3);
}
END_TEST

START_TEST(a_sequence_may_go_round_the_end)
{
    put_three(XI_LOG_BYTES - 12288, 100);
    name_log();
    expect_replayed(3);
}
END_TEST

START_TEST(the_newest_sequence_counts)
{
    put_three(40960, 100);
    memset(bat_sector, 0, sizeof(bat_sector));
    (void)put_change(&(struct change){0, 4}, 8192, 8192, 200);
    name_log();
    expect_replayed(1);
}
END_TEST

START_TEST(what_the_last_entry_calls_done_is_not_replayed)
{
    memset(bat_sector, 0, sizeof(bat_sector));
    (void)put_change(&(struct change){5, 20}, 0, 0, 100); /* it was, and then changed */
    memset(bat_sector, 0, sizeof(bat_sector));
    (void)put_change(&(struct change){0, 4}, 8192, 8192, 101);
    name_log();
    expect_replayed(1);
}
END_TEST

START_TEST(a_torn_entry_ends_the_sequence)
{
    put_three(0, 100);
    xi_put(&s.file.now, XI_LOG_AT + 2 * 8192 + 4096 + 2000, 1, 8);
    name_log();
    expect_replayed(2);
}
END_TEST

START_TEST(an_entry_of_another_log_does_not_count)
{
    put_three(0, 100);
    xi_put(&s.file.now, XI_LOG_AT + 8192 + 32, 0x1234, 8);
    xi_sum(&s.file.now, XI_LOG_AT + 8192, 8192);
    name_log();
    expect_replayed(1);
}
END_TEST

START_TEST(a_log_that_is_not_named_is_empty)
{
    put_three(0, 100);
    expect_replayed(0);
}
END_TEST

START_TEST(zeros_are_replayed)
{
    struct xi_write w[2] = {
        {.offset = XI_BAT_AT, .bytes = bat_sector},
        { FIRST,               NULL,                8192}
    };
    struct xi_entry e = {
        .sequence = 1, .flushed_bytes = 5 * MIB, .last_bytes = 5 * MIB, .writes = w, .n = 2};

    memset(bat_sector, 0, sizeof(bat_sector));
    xi_le(bat_sector, (uint64_t)FIRST | PRESENT, 8);
    store_resize(&s.file.now, 5 * MIB);
    xi_put(&s.file.now, FIRST + 4096, 77, 8);
    xi_put(&s.file.now, FIRST + 8192, 78, 8);
    (void)xi_log_entry(&s.file.now, XI_LOG_BYTES, log_guid, &e);
    name_log();
    expect_replayed(1);
    ck_assert_uint_eq(xi_get(&s.file.now, FIRST + 4096, 8), 0);
    ck_assert_uint_eq(xi_get(&s.file.now, FIRST + 8192, 8), 78);
}
END_TEST

START_TEST(many_descriptors_need_many_sectors)
{
    static struct xi_write w[126];
    struct xi_entry e = {
        .sequence = 1, .flushed_bytes = 4 * MIB, .last_bytes = 5 * MIB, .writes = w, .n = 126};

    memset(bat_sector, 0, sizeof(bat_sector));
    for (uint32_t i = 0; i < 126; i++)
        w[i] = (struct xi_write){XI_BAT_AT + 4096 * (uint64_t)i, bat_sector, 0};
    (void)xi_log_entry(&s.file.now, XI_LOG_BYTES, log_guid, &e);
    name_log();
    expect_replayed(0);
    ck_assert_uint_eq(s.file.now.bytes, 5 * MIB);
}
END_TEST

START_TEST(read_only_a_log_cannot_be_replayed)
{
    put_three(0, 100);
    name_log();
    s.spec.read_only = true;
    expect_refused(-EROFS, "the log must be replayed");
}
END_TEST

START_TEST(read_only_a_log_without_changes_is_no_matter)
{
    struct xi_entry e = {.sequence = 1, .flushed_bytes = 4 * MIB, .last_bytes = 4 * MIB};

    (void)xi_log_entry(&s.file.now, XI_LOG_BYTES, log_guid, &e);
    name_log();
    s.spec.read_only = true;
    expect_open();
    ck_assert_uint_eq(s.file.n_ops, 0);
    session_close(&s);
    s.spec.read_only = false;
    expect_replayed(0);
}
END_TEST

/* A field of the first of three entries, or of its descriptor or data: no sequence is whole then. */
static const struct corruption log_corruptions[] = {
    {0,        4, 0,                 true,  -EBADMSG, "no whole sequence"},
    {4,        4, 0,                 false, -EBADMSG, "no whole sequence"},
    {8,        4, 0,                 true,  -EBADMSG, "no whole sequence"},
    {8,        4, 4096,              true,  -EBADMSG, "no whole sequence"},
    {8,        4, 2 << 20,           true,  -EBADMSG, "no whole sequence"},
    {12,       4, 4097,              true,  -EBADMSG, "no whole sequence"},
    {12,       4, 1 << 20,           true,  -EBADMSG, "no whole sequence"},
    {12,       4, 8192,              true,  -EBADMSG, "no whole sequence"},
    {16,       8, 0,                 true,  -EBADMSG, "no whole sequence"},
    {24,       4, 2,                 true,  -EBADMSG, "no whole sequence"},
    {24,       4, 1 << 30,           true,  -EBADMSG, "no whole sequence"},
    {24,       4, 0,                 true,  -EBADMSG, "no whole sequence"},
    {32,       8, 9,                 true,  -EBADMSG, "no whole sequence"},
    {48,       8, 1 << 30,           true,  -EBADMSG, "it was cut off"   },
    {56,       8, 1 << 20,           true,  0,        ""                 },
    {56,       8, UINT64_C(1) << 60, true,  -EBADMSG, "no whole sequence"},
    {64,       4, 0,                 true,  -EBADMSG, "no whole sequence"},
    {64 + 16,  8, 64 << 10,          true,  -EBADMSG, "no whole sequence"},
    {64 + 16,  8, 1 << 20,           true,  -EBADMSG, "no whole sequence"},
    {64 + 16,  8, 100 << 20,         true,  -EBADMSG, "no whole sequence"},
    {64 + 16,  8, (3 << 20) + 1,     true,  -EBADMSG, "no whole sequence"},
    {64 + 16,  8, UINT64_MAX - 4095, true,  -EBADMSG, "no whole sequence"},
    {64 + 24,  8, 5,                 true,  -EBADMSG, "no whole sequence"},
    {4096,     4, 0,                 true,  -EBADMSG, "no whole sequence"},
    {4096 + 4, 4, 1,                 true,  -EBADMSG, "no whole sequence"},
    {8192 - 4, 4, 1,                 true,  -EBADMSG, "no whole sequence"},
};

START_TEST(each_corruption_of_a_log_is_refused)
{
    const struct corruption *c = &log_corruptions[_i];

    memset(bat_sector, 0, sizeof(bat_sector));
    (void)put_change(&(struct change){0, 4}, 0, 0, 100);
    xi_put(&s.file.now, XI_LOG_AT + c->at, c->value, (int)c->len);
    if (c->fix)
        xi_sum(&s.file.now, XI_LOG_AT, 8192);
    name_log();
    if (c->err < 0)
        expect_refused(c->err, c->text);
}
END_TEST

START_TEST(a_log_that_cannot_be_one_is_refused)
{
    put_three(0, 100);
    xi_put(&s.file.now, XI_HEADER_1 + XI_H_LOG_VERSION, 1, 2);
    name_log();
    expect_refused(-EOPNOTSUPP, "log version 1 is not known");
    make(&plain);
    store_resize(&s.file.now, UINT64_C(300) * MIB);
    xi_put(&s.file.now, XI_HEADER_1 + XI_H_LOG_BYTES, 257 << 20, 4);
    name_log();
    expect_refused(-EOPNOTSUPP, "more than 256 MiB");
}
END_TEST

/* Each sector claims to begin an entry as long as the log: that is not believed again and again. */
START_TEST(entries_that_lie_about_their_length_cost_little)
{
    for (uint32_t at = 0; at < XI_LOG_BYTES; at += 4096) {
        uint64_t here = XI_LOG_AT + at;

        store_write(&s.file.now, here, "loge", 4);
        xi_put(&s.file.now, here + 8, XI_LOG_BYTES, 4);
        xi_put(&s.file.now, here + 16, 1, 8);
        store_write(&s.file.now, here + 32, log_guid, 16);
    }
    name_log();
    expect_refused(-EBADMSG, "overlap too often");
    ck_assert_int_lt(s.files.calls, 10 * XI_LOG_BYTES / 4096);
}
END_TEST

START_TEST(an_error_of_any_call_while_opening_is_told)
{
    put_three(0, 100);
    name_log();
    file_settle(&s.file);
    for (long call = 1;; call++) {
        int r;

        s.files.calls = 0;
        s.files.fail_at = call;
        s.files.fail_with = -EIO;
        r = session_open(&s, why);
        if (s.files.calls < call) {
            ck_assert_int_eq(r, 0);
            ck_assert_int_gt(call, 40);
            return;
        }
        ck_assert_int_eq(r, -EIO);
        store_copy(&s.file.now, &s.file.durable);
        file_settle(&s.file);
    }
}
END_TEST

/* A replay that is killed at any call, and then again, ends as if it never was. */
START_TEST(a_replay_that_is_cut_off_is_made_again)
{
    long call = 1;

    for (bool done = false; !done; call++) {
        setup();
        put_three(0, 100);
        name_log();
        file_settle(&s.file);
        for (int again = 0; again < 2; again++) {
            s.files.calls = 0;
            s.files.cut_at = call;
            done = session_open(&s, why) == 0;
            session_close(&s);
            file_power_failure(&s.file, (uint64_t)(call * 8 + _i));
        }
        s.files.cut_at = 0;
        expect_replayed(3);
    }
    ck_assert_int_gt(call, 40);
}
END_TEST

/* Any call fails once, having done its work or not: nothing is lost, and the guest goes on. */
START_TEST(a_call_that_fails_harms_nothing)
{
    for (long call = 1; call < 200; call++) {
        uint64_t seed = (uint64_t)call;

        setup();
        session_start(&s);
        s.files.calls = 0;
        s.files.fail_at = call;
        s.files.fail_with = call % 2 == 0 ? -EIO : -ENOSPC;
        s.files.fail_after = _i != 0;
        for (unsigned i = 0; i < STEPS; i++) {
            bool failed = session_step(&s, &seed) < 0;

            if (failed && s.files.calls < call)
                ck_abort_msg("failed before call %ld", call);
            if (failed && call % 3 != 0)
                session_check(&s, false, "after a failure");
            else if (failed) /* killed right after: what failed has not happened */
                session_reopen(&s, &(struct cut){call, false, 0, 0}, "killed after a failure");
        }
        s.files.fail_at = 0;
        ck_assert_int_eq(session_flush(&s), 0);
        session_reopen(&s, &(struct cut){call, true, 6, 0}, "after a failure and a flush");
    }
}
END_TEST

static void cut_everywhere(bool power, uint64_t seed)
{
    const long step = power ? 6 : 2; /* other seeds meet the other calls */
    bool done = false;

    for (long call = 1 + (long)seed % step; !done; call += step) {
        setup();
        done = session_run(&s, &(struct cut){call, power, seed, STEPS});
        ck_assert_int_lt(call, 10000);
    }
}

START_TEST(killed_at_any_call_nothing_is_lost)
{
    cut_everywhere(false, (uint64_t)_i + 1);
}
END_TEST

START_TEST(a_power_failure_takes_only_what_was_not_flushed)
{
    cut_everywhere(true, (uint64_t)_i + 1);
}
END_TEST

static void add_tests_of_logs(TCase *t)
{
    tcase_add_test(t, all_of_a_sequence_is_replayed);
    tcase_add_test(t, a_sequence_may_go_round_the_end);
    tcase_add_test(t, the_newest_sequence_counts);
    tcase_add_test(t, what_the_last_entry_calls_done_is_not_replayed);
    tcase_add_test(t, a_torn_entry_ends_the_sequence);
    tcase_add_test(t, an_entry_of_another_log_does_not_count);
    tcase_add_test(t, a_log_that_is_not_named_is_empty);
    tcase_add_test(t, zeros_are_replayed);
    tcase_add_test(t, many_descriptors_need_many_sectors);
    tcase_add_test(t, read_only_a_log_cannot_be_replayed);
    tcase_add_test(t, read_only_a_log_without_changes_is_no_matter);
    tcase_add_loop_test(t, each_corruption_of_a_log_is_refused, 0, (int)COUNT_OF(log_corruptions));
    tcase_add_test(t, a_log_that_cannot_be_one_is_refused);
    tcase_add_test(t, entries_that_lie_about_their_length_cost_little);
    tcase_add_loop_test(t, a_replay_that_is_cut_off_is_made_again, 0, 4);
}

static void add_tests(TCase *t)
{
    tcase_add_test(t, an_empty_image_is_zeros);
    tcase_add_test(t, sectors_may_have_4096_bytes);
    tcase_add_test(t, each_state_is_read_as_it_means);
    tcase_add_test(t, opening_to_write_renews_the_identifiers);
    tcase_add_test(t, a_new_block_waits_in_the_log);
    tcase_add_test(t, a_new_block_does_not_wait_for_the_disk_each_time);
    tcase_add_test(t, a_full_log_is_emptied);
    tcase_add_test(t, entries_for_bitmaps_are_stepped_over);
    tcase_add_test(t, a_discarded_block_is_zeros_and_used_again);
    tcase_add_test(t, a_fixed_image_keeps_its_blocks);
    tcase_add_test(t, places_that_unmapped_blocks_name_are_left_alone);
    tcase_add_test(t, the_last_block_may_be_as_short_as_the_disk);
    tcase_add_test(t, a_device_does_not_grow);
    tcase_add_test(t, a_full_file_system_is_survived);
    tcase_add_test(t, the_largest_image_needs_little);
    tcase_add_test(t, the_newer_good_header_counts);
    tcase_add_test(t, one_good_region_table_is_enough);
    tcase_add_test(t, two_headers_of_one_age_must_be_the_same);
    tcase_add_loop_test(t, each_corruption_is_refused, 0, (int)COUNT_OF(corruptions));
    tcase_add_test(t, what_the_tables_say_twice_is_refused);
    tcase_add_test(t, an_unknown_region_is_not_touched);
    tcase_add_test(t, a_file_that_was_cut_off_is_refused);
    tcase_add_test(t, an_error_of_any_call_while_opening_is_told);
    tcase_add_loop_test(t, a_call_that_fails_harms_nothing, 0, 2);
    tcase_add_loop_test(t, killed_at_any_call_nothing_is_lost, 0, 2);
    tcase_add_loop_test(t, a_power_failure_takes_only_what_was_not_flushed, 0, 12);
}

int main(void)
{
    Suite *suite = suite_create("vhdx");
    TCase *t = tcase_create("vhdx");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    add_tests(t);
    add_tests_of_logs(t);
    suite_add_tcase(suite, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
