#include "ipc/region.h"
#include "tests/unit/registry_case.h"

static struct records_page records;
static struct board_page vtpm_page;
static struct board vtpm_board;
static struct records_cursor cursor;
static struct {
    struct region_head head;
    uint8_t rest[4096];
} region;

/* --- the stage, with a page --- */

static void begin_written(void)
{
    history_init(&s.reg.history, &records);
    s.reg.history.boards[PROCESS_VTPM] = &vtpm_page;
    s.reg.rows[PROCESS_VTPM].region = &region;
    board_attach(&vtpm_board, &vtpm_page, 1);
    begin_running();
    while (records.n_events > cursor.at) { /* what comes first is another test's */
        struct event_record e;

        ck_assert_int_eq(records_next_event(&records, &cursor, &e), 0);
    }
}

static struct event_record expect(enum event_kind kind, uint8_t process, uint32_t generation)
{
    struct event_record e;
    int r = records_next_event(&records, &cursor, &e);

    ck_assert_int_eq(r, 0);
    ck_assert_str_eq(records_event_name(e.kind), records_event_name(kind));
    ck_assert_uint_eq(e.process, process);
    ck_assert_uint_eq(e.generation, generation);
    return e;
}

static void expect_no_more(void)
{
    struct event_record e;

    ck_assert_int_eq(records_next_event(&records, &cursor, &e), -EAGAIN);
}

static struct crash_record crash(uint64_t number)
{
    struct crash_record c;
    int r = records_find_crash(&records, number, &c);

    ck_assert_int_eq(r, 0);
    return c;
}

/* --- events --- */

START_TEST(a_start_is_told_step_by_step)
{
    history_init(&s.reg.history, &records);
    begin_idle();
    for (size_t i = 0; i < COUNT_OF(fewest); i++)
        (void)expect(EVENT_STARTING, (uint8_t)fewest[i], 1);
    for (size_t i = 0; i < COUNT_OF(fewest); i++) {
        (void)expect(EVENT_SANDBOX_VERIFIED, (uint8_t)fewest[i], 1);
        ck_assert_int_eq(expect(EVENT_RUNNING, (uint8_t)fewest[i], 1).pid, 101);
    }
    (void)expect(EVENT_STARTED, RECORDS_VM, 0);
    expect_no_more();
}
END_TEST

START_TEST(a_death_and_a_restart)
{
    struct event_record e;

    begin_written();
    say_died(PROCESS_CHIPSET, 1, SIGSEGV, false);
    e = expect(EVENT_DIED, PROCESS_CHIPSET, 1);
    ck_assert_int_eq(e.cause, CAUSE_CRASH);
    ck_assert_uint_eq(e.crash, 1);
    ck_assert_uint_eq(expect(EVENT_RESTARTING, PROCESS_CHIPSET, 0).numbers[0], 0);
    (void)expect(EVENT_STARTING, PROCESS_CHIPSET, 2);
    expect_no_more();
    ck_assert_int_eq(crash(1).wait_status, SIGSEGV);
}
END_TEST

START_TEST(a_replacement_is_no_crash)
{
    begin_written();
    ask_restart(PROCESS_CHIPSET);
    expect_spawn(PROCESS_CHIPSET, 2, false);
    come_up(PROCESS_CHIPSET, 2);
    say_verified(PROCESS_CHIPSET, 2);
    say_died(PROCESS_CHIPSET, 1, STATUS_KILLED, false);
    (void)expect(EVENT_SANDBOX_VERIFIED, PROCESS_CHIPSET, 2);
    ck_assert_int_eq(expect(EVENT_DIED, PROCESS_CHIPSET, 1).cause, CAUSE_REPLACED);
    (void)expect(EVENT_REPLACED, PROCESS_CHIPSET, 2);
    (void)expect(EVENT_RUNNING, PROCESS_CHIPSET, 2);
    expect_no_more();
    ck_assert_uint_eq(records.n_crashes, 0);
}
END_TEST

START_TEST(parked_and_revived)
{
    begin_written();
    for (uint32_t g = 1; g <= HEALTH_BURST_FAULTS + 1; g++) {
        say_died(PROCESS_VTPM, g, STATUS_EXIT_1, false);
        lifecycle_tick(&s.reg, clock_now_ns() + NS_PER_S);
        (void)expect(EVENT_DIED, PROCESS_VTPM, g);
        if (g <= HEALTH_BURST_FAULTS)
            (void)expect(EVENT_RESTARTING, PROCESS_VTPM, 0);
        (void)expect(EVENT_STARTING, PROCESS_VTPM, g + 1);
        while (row(PROCESS_VTPM)->live.channel < 0)
            say_spawned(PROCESS_VTPM, g + 1);
        say_ready(PROCESS_VTPM, g + 1);
        say_verified(PROCESS_VTPM, g + 1);
        (void)expect(EVENT_SANDBOX_VERIFIED, PROCESS_VTPM, g + 1);
        (void)expect(g <= HEALTH_BURST_FAULTS ? EVENT_RUNNING : EVENT_PARKED, PROCESS_VTPM, g + 1);
    }
    ck_assert_int_eq(lifecycle_revive(&s.reg, PROCESS_VTPM), 0);
    (void)expect(EVENT_REVIVED, PROCESS_VTPM, 0);
    ck_assert_uint_eq(records.n_crashes, HEALTH_BURST_FAULTS + 1);
}
END_TEST

START_TEST(a_jail_that_is_not_what_it_must_be)
{
    Bulkhead__Verified body;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;
    char error[] = "it has capabilities";

    bulkhead__verified__init(&body);
    begin_with_spare();
    history_init(&s.reg.history, &records);
    body.process = PROCESS_VTPM;
    body.generation = 2;
    body.error = error;
    e.body_case = BULKHEAD__ENVELOPE__BODY_VERIFIED;
    e.verified = &body;
    init_says(&e, -1);
    say_died(PROCESS_VTPM, 2, STATUS_KILLED, false);
    (void)expect(EVENT_SANDBOX_FAILED, PROCESS_VTPM, 2);
    ck_assert_int_eq(expect(EVENT_SPARE_DIED, PROCESS_VTPM, 2).cause, CAUSE_SANDBOX);
    expect_no_more();
    ck_assert_uint_eq(crash(1).is_spare, 1);
}
END_TEST

START_TEST(a_disk_when_init_has_changed_it)
{
    begin_written();
    ask_disk(TAG, -1);
    say_disk_changed(TAG, "it is no dvd drive");
    expect_no_more();
    ask_disk(TAG + 1, -1);
    say_disk_changed(TAG + 1, "");
    (void)expect(EVENT_DISK_EJECTED, RECORDS_VM, 0);
    expect_no_more();
}
END_TEST

/* --- crash records --- */

START_TEST(what_a_dead_one_was_doing_and_what_it_said_last)
{
    struct crash_record c;

    begin_written();
    for (int i = 0; i < RECORDS_LINES + 3; i++)
        board_log(&vtpm_board, LOG_LEVEL_WARN, "line %d", i);
    vtpm_page.fault.code = 0x1234;
    vtpm_page.fault.generation = 1;
    region.head.generation = 1;
    region.head.executing = 99;
    region.head.doing = (uint64_t)DOING_TPM << 32 | 0x17b;
    say_died(PROCESS_VTPM, 1, SIGSEGV, false);
    c = crash(1);
    ck_assert_uint_eq(c.process, PROCESS_VTPM);
    ck_assert_uint_eq(c.generation, 1);
    ck_assert_str_eq(c.build_id, "0123");
    ck_assert_uint_eq(c.has_code, 1);
    ck_assert_uint_eq(c.code, 0x1234);
    ck_assert_uint_eq(c.doing, DOING_TPM);
    ck_assert_uint_eq(c.doing_code, 0x17b);
    ck_assert_uint_eq(c.n_lines, RECORDS_LINES);
    ck_assert_str_eq(c.lines[0].text, "line 3");
    ck_assert_str_eq(c.lines[RECORDS_LINES - 1].text, "line 10");
    ck_assert_uint_ne(c.served_ns, 0);
}
END_TEST

START_TEST(nonsense_of_a_dead_one_is_not_told)
{
    struct crash_record c;

    begin_written();
    vtpm_page.fault.code = 0x1234;
    vtpm_page.fault.generation = 7; /* another one's */
    region.head.generation = 1;
    region.head.executing = 99;
    region.head.doing = UINT64_MAX;
    vtpm_page.log_seq = UINT64_MAX;
    say_died(PROCESS_VTPM, 1, SIGSEGV, false);
    c = crash(1);
    ck_assert_uint_eq(c.has_code, 0);
    ck_assert_uint_eq(c.doing, DOING_NONE);
    ck_assert_uint_eq(c.n_lines, 0);
}
END_TEST

START_TEST(nothing_was_being_executed)
{
    begin_written();
    region.head.generation = 1;
    region.head.doing = (uint64_t)DOING_TPM << 32; /* done by now */
    say_died(PROCESS_VTPM, 1, SIGSEGV, false);
    ck_assert_uint_eq(crash(1).doing, DOING_NONE);
}
END_TEST

START_TEST(a_confidential_vms_lines_stay_its_own)
{
    begin_written();
    s.reg.history.confidential = true;
    board_log(&vtpm_board, LOG_LEVEL_INFO, "secret");
    say_died(PROCESS_VTPM, 1, SIGSEGV, false);
    ck_assert_uint_eq(crash(1).n_lines, 0);
    ck_assert_ptr_null(memmem(&records, sizeof(records), "secret", 6));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_start_is_told_step_by_step,
        a_death_and_a_restart,
        a_replacement_is_no_crash,
        parked_and_revived,
        a_jail_that_is_not_what_it_must_be,
        a_disk_when_init_has_changed_it,
        what_a_dead_one_was_doing_and_what_it_said_last,
        nonsense_of_a_dead_one_is_not_told,
        nothing_was_being_executed,
        a_confidential_vms_lines_stay_its_own,
    };

    return registry_case_run("history", tests, COUNT_OF(tests));
}
