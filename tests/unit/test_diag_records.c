#include <check.h>
#include <stdlib.h>

#include "tests/fakes/diag_stage.h"

/* The stage, with a page of records. */
static struct stage stage;
static struct records_page *page;

static void begin(void)
{
    stage_init(&stage);
    page = calloc(1, sizeof(*page));
    ck_assert_ptr_nonnull(page);
    stage.diag->records = page;
    stage_start(&stage);
}

static void end(void)
{
    stage_done(&stage);
    free(page);
}

static void add_events(uint8_t process, unsigned n)
{
    while (n-- > 0) {
        struct event_record e = {
            .kind = EVENT_RESTARTING, .process = process, .numbers = {UINT32_MAX, UINT32_MAX}
        };

        (void)records_add_event(page, &e);
    }
}

/* The longest that there can be. */
static void add_crashes(unsigned n)
{
    while (n-- > 0) {
        struct crash_record c = {.process = PROCESS_SUPERVISOR,
                                 .cause = CAUSE_SANDBOX,
                                 .doing = DOING_STORVSP,
                                 .has_code = 1,
                                 .code = UINT64_MAX,
                                 .n_lines = RECORDS_LINES};

        memset(c.build_id, 'f', sizeof(c.build_id));
        for (unsigned i = 0; i < RECORDS_LINES; i++) {
            c.lines[i].len = BOARD_LOG_TEXT_BYTES - 1;
            c.lines[i].level = LOG_LEVEL_INFO;
            memset(c.lines[i].text, 'x', sizeof(c.lines[i].text));
        }
        (void)records_add_crash(page, &c);
    }
}

/* How many events and crashes come until the answer is done. */
static size_t count(int fd)
{
    size_t n = 0;
    bool done = false;

    while (!done) {
        Bulkhead__AdminAnswer *a = answer(fd, SOON_MS);

        ck_assert_ptr_nonnull(a);
        ck_assert_str_eq(a->error, "");
        n += a->n_events + a->n_crashes;
        done = a->done;
        bulkhead__admin_answer__free_unpacked(a, NULL);
    }
    return n;
}

START_TEST(all_events_of_the_ring_come)
{
    int fd = operator_come(&stage);

    add_events(PROCESS_SUPERVISOR, RECORDS_EVENTS + 100);
    call(fd, BULKHEAD__ADMIN_CALL__VERB__EVENTS, "", false, -1);
    ck_assert_uint_eq(count(fd), RECORDS_EVENTS);
    fd_closep(&fd);
}
END_TEST

START_TEST(of_one_process_only_its_own)
{
    int fd = operator_come(&stage);

    add_events(PROCESS_VTPM, 3);
    add_events(RECORDS_VM, 2);
    add_events(PROCESS_NET, RECORDS_ANSWER_EVENTS * 3);
    add_events(PROCESS_VTPM, 1);
    call(fd, BULKHEAD__ADMIN_CALL__VERB__EVENTS, "vtpm", false, -1);
    ck_assert_uint_eq(count(fd), 4);
    call(fd, BULKHEAD__ADMIN_CALL__VERB__EVENTS, "nobody", false, -1);
    expect_end(fd, "no process of that name: `bulkhead ps` lists them");
    fd_closep(&fd);
}
END_TEST

START_TEST(a_follower_gets_what_comes_and_is_told_what_it_missed)
{
    int fd = operator_come(&stage);
    Bulkhead__AdminAnswer *a;

    add_events(PROCESS_VTPM, 1);
    call(fd, BULKHEAD__ADMIN_CALL__VERB__EVENTS, "", true, -1);
    a = answer(fd, SOON_MS);
    ck_assert_ptr_nonnull(a);
    ck_assert_uint_eq(a->n_events, 1);
    ck_assert(!a->done);
    ck_assert_str_eq(a->events[0]->event, "restarting");
    ck_assert_str_eq(a->events[0]->process, "vtpm");
    ck_assert_str_eq(a->events[0]->numbers[0]->name, "delay_ms");
    ck_assert_uint_eq(a->events[0]->numbers[0]->value, UINT32_MAX);
    bulkhead__admin_answer__free_unpacked(a, NULL);
    ck_assert_ptr_null(answer(fd, LATER_MS));
    page->n_events += RECORDS_EVENTS + 5; /* too fast for anybody; none of them makes sense */
    a = answer(fd, SOON_MS);
    ck_assert_ptr_nonnull(a);
    ck_assert_uint_eq(a->lost, RECORDS_EVENTS + 5);
    bulkhead__admin_answer__free_unpacked(a, NULL);
    ck_assert_ptr_null(answer(fd, LATER_MS));
    fd_closep(&fd);
}
END_TEST

static void ask_crash(int fd, uint64_t number)
{
    Bulkhead__AdminCall c;
    uint8_t packed[64];

    bulkhead__admin_call__init(&c);
    c.verb = BULKHEAD__ADMIN_CALL__VERB__CRASHES;
    c.number = number;
    send_bytes(fd, packed, bulkhead__admin_call__pack(&c, packed), -1);
}

START_TEST(crashes_all_or_one)
{
    int fd = operator_come(&stage);
    Bulkhead__AdminAnswer *a;

    add_crashes(RECORDS_ANSWER_CRASHES * 2 + 1);
    ask_crash(fd, 0);
    ck_assert_uint_eq(count(fd), RECORDS_ANSWER_CRASHES * 2 + 1);
    ask_crash(fd, 7);
    a = answer(fd, SOON_MS);
    ck_assert_ptr_nonnull(a);
    ck_assert(a->done);
    ck_assert_uint_eq(a->n_crashes, 1);
    ck_assert_uint_eq(a->crashes[0]->number, 7);
    ck_assert_uint_eq(a->crashes[0]->n_lines, RECORDS_LINES);
    ck_assert_str_eq(a->crashes[0]->doing, "storage packet");
    bulkhead__admin_answer__free_unpacked(a, NULL);
    ask_crash(fd, 99);
    expect_end(fd, "no crash of that number: `bulkhead crash list` shows which there are");
    fd_closep(&fd);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("diag_records");
    TCase *c = tcase_create("diag_records");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, begin, end);
    tcase_add_test(c, all_events_of_the_ring_come);
    tcase_add_test(c, of_one_process_only_its_own);
    tcase_add_test(c, a_follower_gets_what_comes_and_is_told_what_it_missed);
    tcase_add_test(c, crashes_all_or_one);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
