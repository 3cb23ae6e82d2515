#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "init/cgroup.h"

/* A folder that looks like the VM's, with one leaf in it. */
static char folder[] = "/tmp/test_cgroup.XXXXXX";
static struct cgroups cgroups;
static struct cgroup_leaf leaf = {.path = "/bulkhead-0123456789abcdef/vtpm.7", .fd = -1};

static void begin(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/test_cgroup.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    cgroups = (struct cgroups){.fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    ck_assert_int_ge(cgroups.fd, 0);
    ck_assert_int_eq(mkdirat(cgroups.fd, "vtpm.7", 0755), 0);
}

static void end(void)
{
    (void)unlinkat(cgroups.fd, "vtpm.7/memory.events", 0);
    (void)unlinkat(cgroups.fd, "vtpm.7", AT_REMOVEDIR);
    (void)rmdir(folder);
    fd_closep(&cgroups.fd);
}

static void write_events(const char *text)
{
    AUTO_FD fd = openat(cgroups.fd, "vtpm.7/memory.events", O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static const struct {
    const char *events;
    bool ran_out;
} rows[] = {
    {"low 0\nhigh 0\nmax 12\noom 0\noom_kill 0\noom_group_kill 0\n",  false},
    {"low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 1\n",  true },
    {"low 0\nhigh 0\nmax 12\noom 9\noom_kill 17\noom_group_kill 9\n", true },
    {"oom_kill 1\n",                                                  true },
    {"low 0\nhigh 0\nmax 12\noom 1\n",                                false},
    {"no_oom_kill 1\n",                                               false},
    {"oom_group_kill 1\n",                                            false},
    {"oom_kill",                                                      false},
    {"",                                                              false},
};

START_TEST(a_kill_for_want_of_memory_is_seen)
{
    write_events(rows[_i].events);
    ck_assert_int_eq(cgroups_ran_out(&cgroups, &leaf), rows[_i].ran_out);
}
END_TEST

START_TEST(where_nothing_is_told_nothing_is_seen)
{
    const struct cgroups none = {.fd = -1};
    const struct cgroup_leaf no_leaf = {.fd = -1};

    ck_assert(!cgroups_ran_out(&cgroups, &leaf)); /* no such file */
    write_events(rows[1].events);
    ck_assert(!cgroups_ran_out(&none, &leaf));
    ck_assert(!cgroups_ran_out(&cgroups, &no_leaf));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cgroup");
    TCase *c = tcase_create("cgroup");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, begin, end);
    tcase_add_loop_test(c, a_kill_for_want_of_memory_is_seen, 0, (int)COUNT_OF(rows));
    tcase_add_test(c, where_nothing_is_told_nothing_is_seen);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
