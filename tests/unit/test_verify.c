#include <check.h>
#include <stdlib.h>

#include "base/macro.h"
#include "tests/fakes/jailed.h"

static struct jailed j;

static void start_fresh(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as init does */
    jailed_init(&j);
}

static void end(void)
{
    jailed_done(&j);
}

static void start(uint64_t skip)
{
    jailed_start(&j, skip);
    ck_assert_int_eq(jailed_hear(&j), JAIL_AT_PAUSE);
}

static void expect_notice(const char *text)
{
    int r = jailed_verify(&j);

    ck_assert_msg(r < 0, "'%s' was not noticed", text);
    ck_assert_msg(strstr(j.why.text, text) != NULL, "'%s' does not name '%s'", j.why.text, text);
}

START_TEST(a_whole_jail_is_fine)
{
    int r;

    start(0);
    r = jailed_verify(&j);
    ck_assert_msg(r == 0, "%s", j.why.text);
}
END_TEST

/* --- a step that was left out is noticed, by the property that it is for --- */

#define STEP(name) (UINT64_C(1) << (name))

static const struct {
    uint64_t skip;
    const char *notice;
} left_out[] = {
    {STEP(JAIL_SIGNALS),                                      "SigIgn"                    },
    {STEP(JAIL_NETWORK),                                      "ns/net"                    },
    {STEP(JAIL_TMPFS) | STEP(JAIL_PIVOT) | STEP(JAIL_DETACH), "root is not a tmpfs"       },
    {STEP(JAIL_PIVOT) | STEP(JAIL_DETACH),                    "root is not a tmpfs"       },
    {STEP(JAIL_DETACH),                                       "root is not its only mount"},
    {STEP(JAIL_READ_ONLY),                                    "root is not mounted ro"    },
    {STEP(JAIL_LIMITS),                                       "Max "                      },
    {STEP(JAIL_BOUNDING),                                     "CapBnd"                    },
    {STEP(JAIL_GROUP) | STEP(JAIL_READ_BACK),                 "Gid"                       },
    {STEP(JAIL_USER) | STEP(JAIL_READ_BACK),                  "Uid"                       },
    {STEP(JAIL_CAPABILITIES) | STEP(JAIL_READ_BACK),          "Cap"                       },
    {STEP(JAIL_FILTER),                                       "Seccomp"                   },
};

START_TEST(a_step_left_out_is_noticed)
{
    start(left_out[_i].skip);
    expect_notice(left_out[_i].notice);
}
END_TEST

/* --- a property that is not as expected --- */

START_TEST(another_user_is_noticed)
{
    start(0);
    j.expect.uid++;
    expect_notice("Uid");
}
END_TEST

START_TEST(another_number_of_filters_is_noticed)
{
    start(0);
    j.expect.filters++;
    expect_notice("Seccomp_filters");
}
END_TEST

START_TEST(another_network_is_noticed)
{
    start(0);
    j.expect.net_ns++;
    expect_notice("ns/net");
}
END_TEST

START_TEST(higher_limits_are_noticed)
{
    start(0);
    j.expect.limits.descriptors--;
    expect_notice("Max open files");
    j.expect.limits.descriptors++;
    j.expect.limits.threads--;
    expect_notice("Max processes");
    j.expect.limits.threads++;
    j.expect.limits.data_bytes--;
    expect_notice("Max data size");
}
END_TEST

START_TEST(another_cgroup_is_noticed)
{
    start(0);
    j.expect.cgroup = "/bulkhead/vtpm.1";
    expect_notice("cgroup");
}
END_TEST

START_TEST(a_swapped_descriptor_is_noticed)
{
    struct verify_file event;

    start(0);
    event = j.files[JAILED_EVENT];
    j.files[JAILED_EVENT] = j.files[JAILED_SHARED];
    expect_notice("descriptor 4");
    j.files[JAILED_EVENT] = event;
    j.files[JAILED_EVENT].eventfd_id++;
    expect_notice("descriptor 4");
}
END_TEST

START_TEST(a_writable_descriptor_is_noticed)
{
    start(0);
    j.files[JAILED_EVENT].access = O_RDONLY;
    expect_notice("access mode");
}
END_TEST

START_TEST(one_descriptor_more_is_noticed)
{
    start(0);
    j.expect.n_files--;
    expect_notice("descriptor 8");
}
END_TEST

START_TEST(one_descriptor_less_is_noticed)
{
    start(0);
    j.files[j.expect.n_files] = j.files[0];
    j.expect.n_files++;
    expect_notice("are there");
    j.expect.may_have_closed = true;
    ck_assert_int_eq(jailed_verify(&j), 0);
}
END_TEST

START_TEST(what_a_process_may_open_itself_is_counted)
{
    static const char *const own[] = {"pipe:"};

    start(0);
    j.expect.n_files -= 2; /* the two pipes */
    j.expect.own_links = own;
    j.expect.n_own_links = COUNT_OF(own);
    j.expect.max_own = 2;
    ck_assert_int_eq(jailed_verify(&j), 0);
    j.expect.max_own = 1;
    expect_notice("is not its own");
}
END_TEST

START_TEST(a_dead_process_is_noticed)
{
    start(0);
    jail_kill(&j.jail);
    (void)jailed_reap(&j);
    expect_notice("/proc/");
    j.jail.pid = -1;
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verify");
    TCase *c = tcase_create("verify");
    SRunner *r;
    int failed;

    if (geteuid() != 0)
        return 77; /* meson: skipped */
    tcase_add_checked_fixture(c, start_fresh, end);
    tcase_add_test(c, a_whole_jail_is_fine);
    tcase_add_loop_test(c, a_step_left_out_is_noticed, 0, (int)COUNT_OF(left_out));
    tcase_add_test(c, another_user_is_noticed);
    tcase_add_test(c, another_number_of_filters_is_noticed);
    tcase_add_test(c, another_network_is_noticed);
    tcase_add_test(c, higher_limits_are_noticed);
    tcase_add_test(c, another_cgroup_is_noticed);
    tcase_add_test(c, a_swapped_descriptor_is_noticed);
    tcase_add_test(c, a_writable_descriptor_is_noticed);
    tcase_add_test(c, one_descriptor_more_is_noticed);
    tcase_add_test(c, one_descriptor_less_is_noticed);
    tcase_add_test(c, what_a_process_may_open_itself_is_counted);
    tcase_add_test(c, a_dead_process_is_noticed);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
