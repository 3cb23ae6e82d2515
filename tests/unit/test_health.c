#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "supervisor/health.h"

static const uint64_t S = 1000ull * 1000 * 1000;
static const int STATUS_KILLED = SIGKILL;
static const int STATUS_SEGV = SIGSEGV;
static const int STATUS_SYS = SIGSYS;
static const int STATUS_EXIT_3 = 3 << 8;

START_TEST(own_deaths_are_faults)
{
    ck_assert(health_is_fault(DEATH_BY_ITSELF, STATUS_SEGV));
    ck_assert(health_is_fault(DEATH_BY_ITSELF, STATUS_SYS));
    ck_assert(health_is_fault(DEATH_BY_ITSELF, STATUS_EXIT_3));
    ck_assert(health_is_fault(DEATH_HANG, STATUS_KILLED));
    ck_assert(health_is_fault(DEATH_PROTOCOL, STATUS_KILLED));
}
END_TEST

START_TEST(deaths_from_outside_are_not)
{
    ck_assert(!health_is_fault(DEATH_BY_ITSELF, STATUS_KILLED));
    ck_assert(!health_is_fault(DEATH_PLANNED, STATUS_KILLED));
}
END_TEST

START_TEST(words_tell_them_apart)
{
    ck_assert_str_eq(health_word(DEATH_BY_ITSELF, STATUS_KILLED), "killed from outside");
    ck_assert_str_eq(health_word(DEATH_BY_ITSELF, STATUS_SYS), "forbidden system call");
    ck_assert_str_eq(health_word(DEATH_BY_ITSELF, STATUS_SEGV), "crash");
    ck_assert_str_eq(health_word(DEATH_HANG, STATUS_KILLED), "hang");
}
END_TEST

START_TEST(first_restart_is_at_once_then_10_ms_doubling)
{
    struct health h = {0};
    uint64_t delay = 99;

    ck_assert_int_eq(health_fault(&h, 100 * S, &delay), HEALTH_RESTART);
    ck_assert_uint_eq(delay, 0);
    ck_assert_int_eq(health_fault(&h, 101 * S, &delay), HEALTH_RESTART);
    ck_assert_uint_eq(delay, 10 * 1000 * 1000);
    ck_assert_int_eq(health_fault(&h, 102 * S, &delay), HEALTH_RESTART);
    ck_assert_uint_eq(delay, 20 * 1000 * 1000);
}
END_TEST

START_TEST(a_quiet_time_forgets_the_delay)
{
    struct health h = {0};
    uint64_t delay = 99;

    (void)health_fault(&h, 100 * S, &delay);
    (void)health_fault(&h, 101 * S, &delay);
    ck_assert_int_eq(health_fault(&h, 112 * S, &delay), HEALTH_RESTART);
    ck_assert_uint_eq(delay, 0);
}
END_TEST

START_TEST(the_delay_ends_at_5_s)
{
    struct health h = {.backoff_ns = 4 * S, .n_faults = 1, .faults = {100 * S}};
    uint64_t delay;

    (void)health_fault(&h, 105 * S, &delay);
    ck_assert_uint_eq(delay, 4 * S);
    (void)health_fault(&h, 114 * S, &delay);
    ck_assert_uint_eq(delay, 5 * S);
    (void)health_fault(&h, 123 * S, &delay);
    ck_assert_uint_eq(delay, 5 * S);
}
END_TEST

START_TEST(the_sixth_fault_in_10_s_parks)
{
    struct health h = {0};
    uint64_t delay = 0;

    for (uint64_t i = 0; i < 5; i++)
        ck_assert_int_eq(health_fault(&h, 100 * S + i * S, &delay), HEALTH_RESTART);
    delay = 77;
    ck_assert_int_eq(health_fault(&h, 105 * S, &delay), HEALTH_PARK);
    ck_assert_uint_eq(delay, 77);
}
END_TEST

START_TEST(five_faults_in_10_s_and_one_later_do_not)
{
    struct health h = {0};
    uint64_t delay;

    for (uint64_t i = 0; i < 5; i++)
        (void)health_fault(&h, 100 * S + i * S, &delay);
    ck_assert_int_eq(health_fault(&h, 110 * S + 1, &delay), HEALTH_RESTART);
}
END_TEST

START_TEST(the_21st_fault_in_10_min_parks)
{
    struct health h = {0};
    uint64_t delay;

    for (uint64_t i = 0; i < 20; i++)
        ck_assert_int_eq(health_fault(&h, 100 * S + 20 * i * S, &delay), HEALTH_RESTART);
    ck_assert_int_eq(health_fault(&h, 100 * S + 600 * S, &delay), HEALTH_PARK);
}
END_TEST

START_TEST(the_21st_fault_in_more_than_10_min_does_not)
{
    struct health h = {0};
    uint64_t delay;

    for (uint64_t i = 0; i < 20; i++)
        (void)health_fault(&h, 100 * S + 20 * i * S, &delay);
    ck_assert_int_eq(health_fault(&h, 100 * S + 600 * S + 1, &delay), HEALTH_RESTART);
}
END_TEST

START_TEST(a_request_that_kills_twice_is_poison)
{
    struct health h = {0};

    ck_assert_uint_eq(health_blame(&h, 7), 0);
    ck_assert_uint_eq(health_blame(&h, 7), 7);
}
END_TEST

START_TEST(two_requests_that_kill_once_each_are_not)
{
    struct health h = {0};

    ck_assert_uint_eq(health_blame(&h, 7), 0);
    ck_assert_uint_eq(health_blame(&h, 8), 0);
    ck_assert_uint_eq(health_blame(&h, 7), 0);
}
END_TEST

START_TEST(a_death_between_requests_blames_none)
{
    struct health h = {0};

    ck_assert_uint_eq(health_blame(&h, 0), 0);
    ck_assert_uint_eq(health_blame(&h, 0), 0);
}
END_TEST

START_TEST(forgetting_starts_anew)
{
    struct health h = {0};
    uint64_t delay;

    for (uint64_t i = 0; i < 6; i++)
        (void)health_fault(&h, 100 * S, &delay);
    (void)health_blame(&h, 7);
    health_forget(&h);
    ck_assert_int_eq(health_fault(&h, 100 * S, &delay), HEALTH_RESTART);
    ck_assert_uint_eq(delay, 0);
    ck_assert_uint_eq(health_blame(&h, 7), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("health");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(c, own_deaths_are_faults);
    tcase_add_test(c, deaths_from_outside_are_not);
    tcase_add_test(c, words_tell_them_apart);
    tcase_add_test(c, first_restart_is_at_once_then_10_ms_doubling);
    tcase_add_test(c, a_quiet_time_forgets_the_delay);
    tcase_add_test(c, the_delay_ends_at_5_s);
    tcase_add_test(c, the_sixth_fault_in_10_s_parks);
    tcase_add_test(c, five_faults_in_10_s_and_one_later_do_not);
    tcase_add_test(c, the_21st_fault_in_10_min_parks);
    tcase_add_test(c, the_21st_fault_in_more_than_10_min_does_not);
    tcase_add_test(c, a_request_that_kills_twice_is_poison);
    tcase_add_test(c, two_requests_that_kill_once_each_are_not);
    tcase_add_test(c, a_death_between_requests_blames_none);
    tcase_add_test(c, forgetting_starts_anew);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
