#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/loopback.h"
#include "cli/say.h"

static char error[LOOPBACK_ERROR_BYTES];

static const char *const good[] = {"127.0.0.1:0", "localhost:0", ":0", "127.3.2.1:0"};
static const char *const form[] = {"",
                                   "1234",
                                   "127.0.0.1",
                                   "127.0.0.1:",
                                   "127.0.0.1:65536",
                                   "127.0.0.1:x",
                                   "example.org:1234",
                                   "127.0.0.1:1234 "};
static const char *const open_to_all[] = {"0.0.0.0:1234", "192.168.1.1:1234", "[::]:1234",
                                          "[fe80::1]:1"};

START_TEST(a_port_of_this_machine)
{
    unsigned port = 0;
    int fd = -1;

    ck_assert_int_eq(loopback_listen(good[_i], &fd, &port, error), 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_uint_gt(port, 0);
    (void)close(fd);
}
END_TEST

START_TEST(no_such_thing)
{
    unsigned port = 77;
    int fd = -1;

    ck_assert_int_eq(loopback_listen(form[_i], &fd, &port, error), EXIT_USAGE);
    ck_assert_str_eq(error, "ADDRESS:PORT is wanted, like 127.0.0.1:1234");
    ck_assert_int_eq(fd, -1);
    ck_assert_uint_eq(port, 77);
}
END_TEST

START_TEST(nobody_else_comes_in)
{
    unsigned port;
    int fd = -1;

    ck_assert_int_eq(loopback_listen(open_to_all[_i], &fd, &port, error), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(error, "of this machine alone"));
    ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(a_port_that_is_taken)
{
    char text[32];
    unsigned port, other;
    int fd = -1, second = -1;

    ck_assert_int_eq(loopback_listen("127.0.0.1:0", &fd, &port, error), 0);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", port);
    ck_assert_int_eq(loopback_listen(text, &second, &other, error), EXIT_FAILED);
    ck_assert_str_eq(error, "Address already in use");
    (void)close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loopback");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, a_port_of_this_machine, 0, 4);
    tcase_add_loop_test(tests, no_such_thing, 0, 8);
    tcase_add_loop_test(tests, nobody_else_comes_in, 0, 4);
    tcase_add_test(tests, a_port_that_is_taken);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
