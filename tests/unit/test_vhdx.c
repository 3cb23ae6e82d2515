#include "drivers/block_space.h"
#include "drivers/block_table.h"
#include "tests/fakes/vhdx_session.h"

enum {
    STEPS = 30,
    FRAGMENTS = 1100,
};

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

/* The older of the two is written, and never twice without a flush between. */
START_TEST(headers_take_turns)
{
    uint64_t at = XI_HEADER_2;

    expect_open();
    ck_assert_uint_eq(newest_header(), XI_HEADER_1 + XI_HEADER_2 - at);
    for (uint64_t sequence = 10; sequence < 20; sequence++) {
        if (sequence % 2 == 0)
            ck_assert_int_eq(block_allocate(s.block, (sequence - 10) / 2 * MIB, 1), 0);
        else
            ck_assert_int_eq(block_flush(s.block), 0);
        ck_assert_uint_eq(newest_header(), at);
        ck_assert_uint_eq(xi_get(&s.file.now, at + XI_H_SEQUENCE, 8), sequence);
        at = XI_HEADER_1 + XI_HEADER_2 - at;
    }
}
END_TEST

START_TEST(a_flush_makes_the_map_durable)
{
    expect_open();
    file_settle(&s.file);
    ck_assert_int_eq(block_allocate(s.block, 0, 1), 0);
    ck_assert_int_eq(block_flush(s.block), 0);
    session_close(&s);
    file_power_failure(&s.file, 6); /* all is lost that can be */
    s.spec.read_only = true;        /* no log waits */
    expect_open();
    expect_data(0, FIRST, MIB);
}
END_TEST

/* What is written into the BAT's place, or the log's first entry, has waited for what it needs. */
static void check_order(const struct fake_files *fs, uint64_t at)
{
    const struct fake_file *f = &fs->files[0];
    uint64_t headers = XI_HEADER_2 + 4096;

    if (at >= XI_BAT_AT && at < FIRST && file_is_dirty(f, 0, XI_BAT_AT))
        ck_abort_msg("the BAT is written before its log is durable");
    if (at == XI_LOG_AT && file_is_dirty(f, XI_HEADER_1, headers))
        ck_abort_msg("the log is written over before a header says that it is empty");
    if (at < headers && file_is_dirty(f, 0, FIRST))
        ck_abort_msg("a header is written before what it says is true");
    if (at >= XI_LOG_AT && at < XI_BAT_AT && file_is_dirty(f, FIRST, UINT64_MAX))
        ck_abort_msg("a block is named before it is zeros");
}

START_TEST(writes_wait_for_what_they_need)
{
    make(&(struct xi_spec){UINT64_C(1024) * MIB, MIB, 512});
    file_settle(&s.file);
    s.files.before_write = check_order;
    expect_open();
    for (uint64_t i = 0; i < 300; i++) {
        bool zeroed;

        ck_assert_int_eq(block_allocate(s.block, i * MIB, 1), 0);
        if (i % 70 == 69)
            ck_assert_int_eq(block_discard(s.block, (i - 20) * MIB, 10 * MIB, &zeroed), 0);
        if (i % 50 == 49)
            ck_assert_int_eq(block_flush(s.block), 0);
    }
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

/* mkfs on a disk that was full: it discards everything, and writes before it flushes. */
START_TEST(a_full_device_reuses_what_was_discarded)
{
    bool zeroed;

    store_resize(&s.file.now, FIRST + 3 * MIB);
    s.spec.is_device[0] = true;
    expect_open();
    for (unsigned round = 0; round < 4; round++) {
        for (uint64_t i = 0; i < 3; i++)
            ck_assert_int_eq(block_allocate(s.block, i * MIB, 1), 0);
        ck_assert_int_eq(block_allocate(s.block, 3 * MIB, 1), -ENOSPC);
        ck_assert_int_eq(block_discard(s.block, 0, 3 * MIB, &zeroed), 0);
        ck_assert(zeroed);
    }
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

    make(&(struct xi_spec){bytes, 16 * MIB, 512});
    expect_open();
    ck_assert_uint_eq(block_info(s.block)->bytes, bytes);
    ck_assert_int_eq(block_allocate(s.block, bytes - 1, 1), 0);
    ck_assert_int_eq(block_flush(s.block), 0);
    session_close(&s);
    expect_open();
}
END_TEST

/* Not -ENOBUFS, which says that the ring is full now. */
START_TEST(a_map_that_needs_too_much_memory_is_an_error)
{
    const uint64_t leaves = BLOCK_TABLE_BYTES_MAX / (BLOCK_TABLE_LEAF * sizeof(uint32_t));
    const uint64_t step = (uint64_t)BLOCK_TABLE_LEAF * MIB;

    make(&(struct xi_spec){(leaves + 1) * step, MIB, 512});
    expect_open();
    for (uint64_t i = 0; i < leaves; i++)
        ck_assert_int_eq(block_allocate(s.block, i * step, 1), 0);
    ck_assert_int_eq(block_allocate(s.block, leaves * step, 1), -EFBIG);
    ck_assert_int_eq(block_allocate(s.block, MIB, 1), 0);
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

/* Any call fails once, having done its work or not: nothing is lost, and the guest goes on. */
START_TEST(a_call_that_fails_harms_nothing)
{
    for (long call = 1; call < 150; call++) {
        setup();
        session_run_failing(&s, call, _i != 0, STEPS);
    }
}
END_TEST

/*
 * A discard fails, though all of it is in the file. Then the guest writes, which needs no change of the
 * map, and the process is killed: what was not done must not be done by a replay.
 */
static void fail_discard(long call, bool log_is_open)
{
    bool zeroed;

    setup();
    session_start(&s);
    ck_assert_int_eq(block_allocate(s.block, 0, 1), 0);
    ck_assert_int_eq(block_flush(s.block), 0);
    if (log_is_open)
        ck_assert_int_eq(block_allocate(s.block, MIB, 1), 0);
    s.files.calls = 0;
    s.files.fail_at = call;
    s.files.fail_with = -EIO;
    s.files.fail_after = true;
    ck_assert_int_eq(block_discard(s.block, 0, MIB, &zeroed), -EIO);
    ck_assert_int_eq(session_write(&s, 5, 1), 0);
    session_reopen(&s, &(struct cut){call, false, 0, 0}, "killed after a discard that failed");
}

START_TEST(a_discard_that_failed_is_not_replayed)
{
    fail_discard(1, true);  /* the log's next entry */
    fail_discard(1, false); /* its first one, */
    fail_discard(2, false); /* the flush for it, */
    fail_discard(3, false); /* the header that names the log */
}
END_TEST

/* The header says that there is no log, and then that cannot be made durable: there is one still. */
START_TEST(a_log_that_may_not_be_empty_is_named_again)
{
    setup();
    session_start(&s);
    ck_assert_int_eq(session_write(&s, 5, 1), 0);
    s.files.calls = 0;
    s.files.fail_at = 5; /* flush, BAT, flush, header, and this flush */
    s.files.fail_with = -EIO;
    s.files.fail_after = _i != 0;
    ck_assert_int_eq(block_flush(s.block), -EIO);
    ck_assert_int_eq(s.files.calls, 5);
    ck_assert(log_is_empty());
    ck_assert_int_eq(session_write(&s, MIB / 512 + 5, 1), 0);
    session_reopen(&s, &(struct cut){5, false, 0, 0}, "killed after a flush that failed");
}
END_TEST

/* Every other place of a device that ends with the last one is free: more than are remembered at once. */
static void make_fragmented(void)
{
    make(&(struct xi_spec){(UINT64_C(2) * FRAGMENTS + 1) * MIB, MIB, 512});
    for (unsigned i = 0; i < FRAGMENTS; i++)
        put_entry(FRAGMENTS + 1 + i, 5 + 2 * i, PRESENT);
    store_resize(&s.file.now, (UINT64_C(4) + 2 * FRAGMENTS) * MIB);
    s.spec.is_device[0] = true;
}

/* The last place that was ready is for a block whose entry cannot be written, into a log that is empty. */
START_TEST(a_place_that_was_dropped_is_free_once)
{
    make_fragmented();
    expect_open();
    for (uint64_t i = 0; i < BLOCK_SPACE_FREE - 1; i++)
        ck_assert_int_eq(block_allocate(s.block, i * MIB, 1), 0);
    ck_assert_int_eq(block_flush(s.block), 0);
    s.files.calls = 0;
    s.files.fail_at = 1;
    s.files.fail_with = -EIO;
    ck_assert_int_eq(block_allocate(s.block, (BLOCK_SPACE_FREE - 1) * MIB, 1), -EIO);
    s.files.fail_at = 0;
    for (uint64_t i = BLOCK_SPACE_FREE - 1; i < FRAGMENTS; i++) {
        ck_assert_int_eq(block_allocate(s.block, i * MIB, 1), 0);
        ck_assert_int_eq(block_flush(s.block), 0);
    }
    ck_assert_int_eq(block_allocate(s.block, FRAGMENTS * MIB, 1), -ENOSPC);
    session_close(&s);
    expect_open();
}
END_TEST

/* What nothing points to holds anything: it must not show. */
static void put_junk(void)
{
    uint8_t junk[4096];

    memset(junk, 0xee, sizeof(junk));
    for (uint64_t at = FIRST; at < FIRST + 5 * MIB; at += sizeof(junk))
        store_write(&s.file.now, at, junk, sizeof(junk));
}

static void cut_everywhere(bool power, uint64_t seed)
{
    const long step = power ? 6 : 3; /* other seeds meet the other calls */
    bool done = false;

    for (long call = 1 + (long)seed % step; !done; call += step) {
        setup();
        put_junk();
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

static void add_tests(TCase *t)
{
    tcase_add_test(t, an_empty_image_is_zeros);
    tcase_add_test(t, sectors_may_have_4096_bytes);
    tcase_add_test(t, each_state_is_read_as_it_means);
    tcase_add_test(t, opening_to_write_renews_the_identifiers);
    tcase_add_test(t, a_new_block_waits_in_the_log);
    tcase_add_test(t, a_new_block_does_not_wait_for_the_disk_each_time);
    tcase_add_test(t, headers_take_turns);
    tcase_add_test(t, a_flush_makes_the_map_durable);
    tcase_add_test(t, writes_wait_for_what_they_need);
    tcase_add_test(t, a_full_log_is_emptied);
    tcase_add_test(t, entries_for_bitmaps_are_stepped_over);
    tcase_add_test(t, a_discarded_block_is_zeros_and_used_again);
    tcase_add_test(t, a_fixed_image_keeps_its_blocks);
    tcase_add_test(t, places_that_unmapped_blocks_name_are_left_alone);
    tcase_add_test(t, the_last_block_may_be_as_short_as_the_disk);
    tcase_add_test(t, a_device_does_not_grow);
    tcase_add_test(t, a_full_device_reuses_what_was_discarded);
    tcase_add_test(t, a_full_file_system_is_survived);
    tcase_add_test(t, the_largest_image_needs_little);
    tcase_add_test(t, a_map_that_needs_too_much_memory_is_an_error);
    tcase_add_test(t, the_newer_good_header_counts);
    tcase_add_test(t, one_good_region_table_is_enough);
    tcase_add_test(t, two_headers_of_one_age_must_be_the_same);
    tcase_add_loop_test(t, each_corruption_is_refused, 0, (int)COUNT_OF(corruptions));
    tcase_add_test(t, what_the_tables_say_twice_is_refused);
    tcase_add_test(t, an_unknown_region_is_not_touched);
    tcase_add_test(t, a_file_that_was_cut_off_is_refused);
    tcase_add_test(t, a_discard_that_failed_is_not_replayed);
    tcase_add_loop_test(t, a_log_that_may_not_be_empty_is_named_again, 0, 2);
    tcase_add_test(t, a_place_that_was_dropped_is_free_once);
    tcase_add_loop_test(t, a_call_that_fails_harms_nothing, 0, 2);
    tcase_add_loop_test(t, killed_at_any_call_nothing_is_lost, 0, 3);
    tcase_add_loop_test(t, a_power_failure_takes_only_what_was_not_flushed, 0, 8);
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
    suite_add_tcase(suite, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
