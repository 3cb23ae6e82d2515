#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/capture.h"

enum {
    NIC = 1,
    OTHER = 2,
    SOME = 100, /* bytes of a frame */
    FRAMES_FIT = CAPTURE_RING_BYTES / (CAPTURE_ALIGN + 128),
};

static struct capture_page *page;
static struct capture_writer writer;
static struct capture_reader reader;
static uint8_t bytes[CAPTURE_FRAME_MAX];

static void set_up(void)
{
    page = calloc(1, sizeof(*page));
    ck_assert_ptr_nonnull(page);
    writer = (struct capture_writer){.page = page};
    capture_read_begin(&reader, page, NIC);
}

static void tear_down(void)
{
    free(page);
}

static uint8_t byte_of(uint64_t seed, size_t i)
{
    return (uint8_t)(seed * 7 + i);
}

static void put(size_t len, uint64_t seed)
{
    for (size_t i = 0, some; i < len; i += some) {
        uint8_t *to = capture_room(&writer, len - i, &some);

        for (size_t j = 0; j < some; j++)
            to[j] = byte_of(seed, i + j);
    }
}

static void begin(uint32_t nic, uint32_t captured, uint64_t seed)
{
    const struct capture_record r = {
        .time_ns = seed, .len = captured + 5, .captured = captured, .nic = nic, .outbound = 1};

    capture_begin(&writer, &r);
}

static void write_frame(uint32_t nic, uint32_t captured, uint64_t seed)
{
    begin(nic, captured, seed);
    put(captured, seed);
    capture_end(&writer, nic);
}

/* Its next answer that is no request to look again. */
static int read_on(struct capture_record *ret, uint32_t max)
{
    int r = -EINPROGRESS;

    for (int budget = 100; budget > 0 && r == -EINPROGRESS; budget--)
        r = capture_read(&reader, ret, bytes, max);
    return r;
}

static bool is_whole(size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != byte_of(seed, i))
            return false;
    }
    return true;
}

static void expect_frame(uint32_t captured, uint64_t seed)
{
    struct capture_record r;

    ck_assert_int_eq(read_on(&r, UINT32_MAX), 0);
    ck_assert_uint_eq(r.time_ns, seed);
    ck_assert_uint_eq(r.captured, captured);
    ck_assert_uint_eq(r.len, captured + 5);
    ck_assert_uint_eq(r.nic, NIC);
    ck_assert_uint_eq(r.outbound, 1);
    ck_assert(is_whole(captured, seed));
}

static void expect_none(void)
{
    struct capture_record r = {.time_ns = 77};

    ck_assert_int_eq(read_on(&r, UINT32_MAX), -EAGAIN);
    ck_assert_uint_eq(r.time_ns, 77);
}

START_TEST(what_is_written_is_read_once)
{
    static const uint32_t lengths[] = {1, 31, 32, 33, SOME, 1514, CAPTURE_FRAME_MAX};

    expect_none();
    for (size_t i = 0; i < COUNT_OF(lengths); i++)
        write_frame(NIC, lengths[i], i + 1);
    for (size_t i = 0; i < COUNT_OF(lengths); i++)
        expect_frame(lengths[i], i + 1);
    expect_none();
    ck_assert_uint_eq(reader.lost, 0);
}
END_TEST

/* All places at which a frame can meet the end of the ring. */
START_TEST(a_frame_may_wrap)
{
    for (uint64_t i = 1; i < 3ull * CAPTURE_RING_BYTES / CAPTURE_FRAME_MAX; i++) {
        uint32_t len = CAPTURE_FRAME_MAX - (uint32_t)(i * 997 % 20000);

        write_frame(NIC, len, i);
        expect_frame(len, i);
    }
    ck_assert_uint_eq(reader.lost, 0);
}
END_TEST

START_TEST(frames_of_others_are_passed_over)
{
    for (unsigned i = 0; i < 5000; i++)
        write_frame(OTHER, 1, i);
    write_frame(NIC, SOME, 1);
    write_frame(OTHER, SOME, 2);
    expect_frame(SOME, 1);
    expect_none();
    ck_assert_uint_eq(reader.lost, 0);
}
END_TEST

START_TEST(one_call_passes_over_so_many)
{
    struct capture_record r;
    unsigned calls = 1;

    for (unsigned i = 0; i < 5000; i++)
        write_frame(OTHER, 1, i);
    while (capture_read(&reader, &r, bytes, 1) == -EINPROGRESS)
        calls++;
    ck_assert_uint_ge(calls, 4);
    ck_assert_uint_le(calls, 6);
}
END_TEST

START_TEST(a_reader_begins_with_what_comes)
{
    write_frame(NIC, SOME, 1);
    capture_read_begin(&reader, page, NIC);
    expect_none();
    write_frame(NIC, SOME, 2);
    expect_frame(SOME, 2);
    ck_assert_uint_eq(reader.lost, 0);
}
END_TEST

START_TEST(a_reader_takes_no_more_than_it_wants)
{
    struct capture_record r;

    write_frame(NIC, SOME, 1);
    write_frame(NIC, SOME, 2);
    memset(bytes, 0xee, sizeof(bytes));
    ck_assert_int_eq(read_on(&r, 10), 0);
    ck_assert_uint_eq(r.captured, 10);
    ck_assert_uint_eq(r.len, SOME + 5);
    ck_assert_uint_eq(bytes[9], byte_of(1, 9));
    ck_assert_uint_eq(bytes[10], 0xee);
    expect_frame(SOME, 2);
}
END_TEST

/* It knows how many that cost when the next one comes, and also when none does. */
START_TEST(who_is_overtaken_counts_what_it_lost)
{
    bool more = _i == 1;

    write_frame(NIC, SOME, 1);
    expect_frame(SOME, 1);
    for (uint64_t i = 0; i < 2 * FRAMES_FIT; i++)
        write_frame(NIC, SOME, i);
    if (more) {
        struct capture_record r;

        ck_assert_int_eq(capture_read(&reader, &r, bytes, 1), -EINPROGRESS);
        write_frame(NIC, SOME, 3);
        expect_frame(SOME, 3);
    }
    expect_none();
    ck_assert_uint_eq(reader.lost, 2 * FRAMES_FIT);
    write_frame(NIC, SOME, 4);
    expect_frame(SOME, 4);
    ck_assert_uint_eq(reader.lost, 2 * FRAMES_FIT);
}
END_TEST

START_TEST(a_whole_ring_is_there_and_no_more)
{
    for (uint64_t i = 0; i < FRAMES_FIT; i++)
        write_frame(NIC, SOME, i);
    expect_frame(SOME, 0);
    ck_assert_uint_eq(reader.lost, 0);
    write_frame(NIC, SOME, 7); /* over the first one, which was read */
    expect_frame(SOME, 1);
    ck_assert_uint_eq(reader.lost, 0);
    write_frame(NIC, SOME, 8);
    expect_frame(SOME, 2);
    begin(NIC, 1000, 9); /* what is being written is over the next one */
    expect_none();
}
END_TEST

START_TEST(what_is_not_ended_never_was)
{
    begin(NIC, SOME, 1);
    put(SOME / 2, 1);
    expect_none();
    write_frame(NIC, 40, 2);
    expect_frame(40, 2);
    expect_none();
    ck_assert_uint_eq(reader.lost, 0);
}
END_TEST

/* Another writer, as after a death. */
START_TEST(a_successor_goes_on)
{
    write_frame(NIC, SOME, 1);
    begin(NIC, 5000, 2);
    put(600, 2);
    writer = (struct capture_writer){.page = page};
    write_frame(NIC, SOME, 3);
    expect_frame(SOME, 1);
    expect_frame(SOME, 3);
    expect_none();
    ck_assert_uint_eq(page->begun, page->written);
    ck_assert_uint_eq(reader.lost, 0);
}
END_TEST

/* What a dead writer had begun to overwrite is not read as if it were whole. */
START_TEST(a_successor_hides_no_damage)
{
    size_t some;

    for (uint64_t i = 0; i < FRAMES_FIT; i++)
        write_frame(NIC, SOME, i);
    expect_frame(SOME, 0);
    begin(NIC, CAPTURE_FRAME_MAX, 2);
    while (writer.at < CAPTURE_RING_BYTES + 2 * (CAPTURE_ALIGN + 128) - 64)
        (void)capture_room(&writer, 32, &some);
    put(32, 2);  /* into the second frame's bytes, and nothing else */
    if (_i == 0) /* else it is its own */
        writer = (struct capture_writer){.page = page};
    write_frame(NIC, SOME, 9);
    expect_none(); /* all that was there is given up */
    ck_assert_uint_eq(reader.lost, FRAMES_FIT);
    write_frame(NIC, SOME, 10);
    expect_frame(SOME, 10);
}
END_TEST

static const uint64_t wrong_ends[][2] = {
    {0,               1                 },
    {1,               1                 },
    {7,               UINT64_MAX        },
    {UINT64_MAX,      0                 },
    {0,               32                },
    {0,               CAPTURE_RING_BYTES},
    {UINT64_MAX - 31, UINT64_MAX - 31   },
};

/* Of a predecessor that was taken over: frames come through all the same, after a moment. */
START_TEST(a_successor_puts_in_order_what_is_none)
{
    page->written = wrong_ends[_i][0];
    page->begun = wrong_ends[_i][1];
    capture_read_begin(&reader, page, NIC);
    writer = (struct capture_writer){.page = page};
    for (uint64_t i = 0; i < 5; i++) {
        struct capture_record r;

        write_frame(NIC, SOME, i);
        (void)read_on(&r, UINT32_MAX);
    }
    write_frame(NIC, SOME, 9);
    expect_frame(SOME, 9);
}
END_TEST

/* --- a writer that was taken over --- */

static void put_raw(const struct capture_record *r, uint64_t written)
{
    memset(page, 0, sizeof(*page));
    memcpy(page->ring, r, sizeof(*r));
    page->begun = page->written = written;
    capture_read_begin(&reader, page, NIC);
    reader.at = 0;
}

static const struct capture_record no_records[] = {
    {.captured = CAPTURE_FRAME_MAX + 1, .len = UINT32_MAX, .nic = NIC  }, /* too long */
    {.captured = UINT32_MAX,            .len = UINT32_MAX, .nic = NIC  },
    {.captured = UINT32_MAX - 31,       .len = UINT32_MAX, .nic = NIC  },
    {.captured = 100,                   .len = 99,         .nic = NIC  }, /* more than there was */
    {.captured = 500,                   .len = 500,        .nic = NIC  }, /* more than is there */
    {.captured = 500,                   .len = 500,        .nic = OTHER},
    {.captured = 0,                     .len = 100,        .nic = NIC  }, /* as memory that was never written */
};

START_TEST(no_record_is_passed_over)
{
    struct capture_record r = {.time_ns = 77};
    uint64_t written = _i == 0 ? 1 << 20 : 320; /* the first one is all there */

    put_raw(&no_records[_i], written);
    ck_assert_int_eq(capture_read(&reader, &r, bytes, UINT32_MAX), -EINPROGRESS);
    ck_assert_uint_eq(r.time_ns, 77);
    ck_assert_uint_eq(reader.at, written);
    expect_none();
}
END_TEST

static const uint64_t places[][2] = {
    {1,              1         },
    {UINT64_MAX,     UINT64_MAX},
    {UINT64_MAX / 2, UINT64_MAX},
    {640,            UINT64_MAX},
    {640,            0         },
    {31,             31        },
    {641,            641       },
};

START_TEST(places_may_be_any)
{
    const struct capture_record good = {.captured = 96, .len = 96, .nic = NIC};
    struct capture_record r;

    put_raw(&good, 128);
    page->written = places[_i][0];
    page->begun = places[_i][1];
    for (int i = 0; i < 50; i++) {
        if (capture_read(&reader, &r, bytes, UINT32_MAX) == 0)
            ck_assert_uint_le(r.captured, CAPTURE_FRAME_MAX);
    }
    capture_read_begin(&reader, page, NIC);
    (void)!capture_read(&reader, &r, bytes, UINT32_MAX);
}
END_TEST

/* --- both at once --- */

enum {
    RACE_FRAMES = 120000,
};

static void *race(void *arg)
{
    (void)arg;
    for (uint64_t i = 1; i <= RACE_FRAMES; i++)
        write_frame(NIC, 60 + (uint32_t)(i * 31 % 1400), i);
    return NULL;
}

/* No frame is torn, none comes twice; what is missing is counted. */
START_TEST(a_reader_beside_a_writer)
{
    uint64_t last = 0, taken = 0, wrong = 0;
    struct capture_record r;
    pthread_t thread;

    expect_none();
    ck_assert_int_eq(pthread_create(&thread, NULL, race, NULL), 0);
    while (last < RACE_FRAMES) {
        if (capture_read(&reader, &r, bytes, UINT32_MAX) < 0) {
            if (page->frames[NIC] == RACE_FRAMES && page->written == reader.at)
                break;
            continue;
        }
        wrong += r.time_ns <= last || r.number != r.time_ns ||
                 r.captured != 60 + r.time_ns * 31 % 1400 || !is_whole(r.captured, r.time_ns);
        last = r.time_ns;
        taken++;
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    expect_none();
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(taken + reader.lost, RACE_FRAMES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("capture");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_written_is_read_once);
    tcase_add_test(tests, a_frame_may_wrap);
    tcase_add_test(tests, frames_of_others_are_passed_over);
    tcase_add_test(tests, one_call_passes_over_so_many);
    tcase_add_test(tests, a_reader_begins_with_what_comes);
    tcase_add_test(tests, a_reader_takes_no_more_than_it_wants);
    tcase_add_loop_test(tests, who_is_overtaken_counts_what_it_lost, 0, 2);
    tcase_add_test(tests, a_whole_ring_is_there_and_no_more);
    tcase_add_test(tests, what_is_not_ended_never_was);
    tcase_add_test(tests, a_successor_goes_on);
    tcase_add_loop_test(tests, a_successor_hides_no_damage, 0, 2);
    tcase_add_loop_test(tests, a_successor_puts_in_order_what_is_none, 0, COUNT_OF(wrong_ends));
    tcase_add_loop_test(tests, no_record_is_passed_over, 0, COUNT_OF(no_records));
    tcase_add_loop_test(tests, places_may_be_any, 0, COUNT_OF(places));
    tcase_add_test(tests, a_reader_beside_a_writer);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
