#include "tests/fakes/vhdx_session.h"

enum {
    MANY = 200, /* descriptors: more than a sector holds, and not all of the log */
};

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

/* Whoever knows the file by its identifier must notice, even if the replay is cut off. */
static void check_identifier(const struct fake_files *fs, uint64_t at)
{
    const struct fake_file *f = &fs->files[0];

    if (at < XI_LOG_AT)
        return;
    if (xi_get(&f->durable, newest_header() + 16, 8) == 0x1111)
        ck_abort_msg("the identifier is what it was");
}

START_TEST(a_replay_renews_the_identifier_first)
{
    put_three(0, 100);
    name_log();
    file_settle(&s.file);
    s.files.before_write = check_identifier;
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
    static struct xi_write w[MANY];
    struct xi_entry e = {
        .sequence = 1, .flushed_bytes = 4 * MIB, .last_bytes = 5 * MIB, .writes = w, .n = MANY};

    memset(bat_sector, 0, sizeof(bat_sector));
    for (uint32_t i = 0; i < MANY; i++)
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

int main(void)
{
    Suite *suite = suite_create("vhdx_log");
    TCase *t = tcase_create("vhdx_log");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, all_of_a_sequence_is_replayed);
    tcase_add_test(t, a_replay_renews_the_identifier_first);
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
    tcase_add_test(t, an_error_of_any_call_while_opening_is_told);
    tcase_add_loop_test(t, a_replay_that_is_cut_off_is_made_again, 0, 4);
    suite_add_tcase(suite, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
