#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/lock.h"

static char folder[32];
static struct sockaddr_un address;
static char lock_path[sizeof(address.sun_path) + 8];

static void begin(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/bulkhead-lock-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    address.sun_family = AF_UNIX;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/vm.sock", folder);
    (void)snprintf(lock_path, sizeof(lock_path), "%s.lock", address.sun_path);
}

/* Nothing but what a test has removed itself may be left. */
static void end(void)
{
    ck_assert_int_eq(rmdir(folder), 0);
}

static void leave_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(close(fd), 0);
}

START_TEST(the_socket_of_a_dead_vm_goes)
{
    int fd = -1;

    leave_socket();
    ck_assert_int_eq(lock_take(address.sun_path, &fd), 0);
    ck_assert_int_lt(access(address.sun_path, F_OK), 0);
    leave_socket();
    lock_drop(address.sun_path, &fd);
    ck_assert_int_lt(access(address.sun_path, F_OK), 0);
    ck_assert_int_lt(access(lock_path, F_OK), 0);
}
END_TEST

START_TEST(there_is_one_at_a_time)
{
    int fd = -1;
    int other = -1;

    ck_assert_int_eq(lock_take(address.sun_path, &fd), 0);
    ck_assert_int_eq(lock_take(address.sun_path, &other), -EBUSY);
    lock_drop(address.sun_path, &fd);
    ck_assert_int_eq(lock_take(address.sun_path, &other), 0);
    lock_drop(address.sun_path, &other);
}
END_TEST

START_TEST(whatever_is_no_socket_stays)
{
    int fd = open(address.sun_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_int_eq(close(fd), 0);
    fd = -1;
    ck_assert_int_eq(lock_take(address.sun_path, &fd), -EEXIST);
    ck_assert_int_eq(fd, -1);
    ck_assert_int_lt(access(lock_path, F_OK), 0);
    ck_assert_int_eq(unlink(address.sun_path), 0);

    ck_assert_int_eq(mkdir(address.sun_path, 0700), 0);
    ck_assert_int_eq(lock_take(address.sun_path, &fd), -EEXIST);
    ck_assert_int_lt(access(lock_path, F_OK), 0);
    ck_assert_int_eq(rmdir(address.sun_path), 0);
}
END_TEST

/* Somebody may have put a file there while the VM ran. */
START_TEST(a_file_that_came_meanwhile_stays)
{
    int fd = -1;
    int file;

    ck_assert_int_eq(lock_take(address.sun_path, &fd), 0);
    file = open(address.sun_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(close(file), 0);
    lock_drop(address.sun_path, &fd);
    ck_assert_int_eq(unlink(address.sun_path), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli_lock");
    TCase *tests = tcase_create("cli_lock");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_test(tests, the_socket_of_a_dead_vm_goes);
    tcase_add_test(tests, there_is_one_at_a_time);
    tcase_add_test(tests, whatever_is_no_socket_stays);
    tcase_add_test(tests, a_file_that_came_meanwhile_stays);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
