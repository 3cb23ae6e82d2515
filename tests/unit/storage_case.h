/*
 * tests/unit/storage_case.h - what the tests of the storage worker begin with: a guest with three channels and
 * two disks, 0:0 a raw file and 0:1 a VHD that grows, and what it expects to be told.
 */
#pragma once

#include <check.h>

#include "tests/fakes/storage_world.h"
#include "tests/fakes/vhd_image.h"

enum {
    CASE_RAW = 0, /* files, and numbers of units */
    CASE_VHD = 1,
    CASE_RAW_BYTES = 1 << 20,
    CASE_VHD_BYTES = 1 << 20,
    CASE_VHD_BLOCK = 1 << 16,
};

static uint8_t case_ram[WORLD_PAGES * 4096] __attribute__((aligned(4096)));
static struct world the;

static inline void case_fill_vhd(struct world *w, unsigned file)
{
    struct store s = {0};

    vi_make_dynamic(&s, CASE_VHD_BYTES, CASE_VHD_BLOCK);
    world_file_make(w, file, s.bytes, 4 * CASE_VHD_BYTES);
    store_read(&s, 0, w->files[file].now, s.bytes);
    store_free(&s);
}

static inline void case_set_up(void)
{
    world_init(&the, case_ram);
    world_file_make(&the, CASE_RAW, CASE_RAW_BYTES, CASE_RAW_BYTES);
    case_fill_vhd(&the, CASE_VHD);
    (void)world_add_disk(&the, CASE_RAW, DISK_RAW, CASE_RAW);
    (void)world_add_disk(&the, CASE_VHD, DISK_VHD, CASE_VHD);
    the.random = 1; /* what opening a disk waits for is all there is */
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert(world_connect(&the, WORLD_CHANNELS));
    the.random = 0;
}

static inline void case_tear_down(void)
{
    struct world_answer a;

    ck_assert_int_eq(world_finish(&the), 0);
    for (unsigned i = 0; i < WORLD_CHANNELS; i++)
        ck_assert_msg(!world_receive(&the, i, &a), "an answer too many: %llu",
                      (unsigned long long)a.tid);
    world_die(&the);
}

/* Another generation, and what it finds. */
static inline void case_take_over(void)
{
    world_die(&the);
    ck_assert_int_eq(world_run(&the), 0);
}

static inline uint8_t *case_page(unsigned page)
{
    return case_ram + (size_t)page * 4096;
}

static inline void case_send(struct world_srb srb, unsigned channel, uint64_t tid, uint8_t lun)
{
    srb.channel = channel;
    srb.tid = tid;
    srb.lun = lun;
    ck_assert(world_send(&the, &srb));
    ck_assert_int_eq(world_run(&the), 0);
}

static inline struct world_answer case_answer(unsigned channel, uint64_t tid)
{
    struct world_answer a = {0};

    ck_assert_msg(world_receive(&the, channel, &a), "no answer to %llu", (unsigned long long)tid);
    ck_assert_uint_eq(a.tid, tid);
    ck_assert_uint_eq(a.type, VMRING_COMPLETION);
    ck_assert_uint_eq(a.op, STORVSP_COMPLETE);
    return a;
}

static inline void case_expect_good(unsigned channel, uint64_t tid)
{
    struct world_answer a = case_answer(channel, tid);

    ck_assert_uint_eq(a.srb_status, SRB_SUCCESS);
    ck_assert_uint_eq(a.scsi_status, SCSI_GOOD);
}

static inline void case_expect_sense(unsigned channel, uint64_t tid, uint8_t key, uint8_t asc)
{
    struct world_answer a = case_answer(channel, tid);

    ck_assert_uint_eq(a.srb_status, SRB_ERROR | SRB_AUTOSENSE_VALID);
    ck_assert_uint_eq(a.scsi_status, SCSI_CHECK_CONDITION);
    ck_assert_uint_eq(a.key, key);
    ck_assert_uint_eq(a.asc, asc);
}

static inline void case_expect_none(unsigned channel)
{
    struct world_answer a;

    ck_assert_msg(!world_receive(&the, channel, &a), "an answer to %llu",
                  (unsigned long long)a.tid);
}

/* All that waits completes, and is answered. */
static inline void case_finish(void)
{
    ck_assert_int_eq(world_finish(&the), 0);
}

static inline int case_run(const char *name, const TTest *const *tests, size_t n)
{
    Suite *s = suite_create(name);
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, case_set_up, case_tear_down);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(c, tests[i]);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
