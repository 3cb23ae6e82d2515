#include <check.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/notify.h"

static char folder[] = "/tmp/test-notify-XXXXXX";

static void enter(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

static void leave(void)
{
    (void)unlink("socket");
    (void)rmdir(folder);
}

/* A manager at that name, as $NOTIFY_SOCKET has it. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    (void)unlink(name); /* of the test before */
    memcpy(address.sun_path, name, len);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void expect(int fd, const char *wanted)
{
    char text[1024] = "";

    ck_assert_int_ge(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 0);
    ck_assert_str_eq(text, wanted);
}

START_TEST(a_manager_with_a_path)
{
    char path[64];
    AUTO_FD fd = -1;

    (void)snprintf(path, sizeof(path), "%s/socket", folder);
    fd = listen_at(path);
    ck_assert_int_eq(notify_send("READY=1\nSTATUS=%s %d", "so", 7), 0);
    expect(fd, "READY=1\nSTATUS=so 7");
}
END_TEST

START_TEST(a_manager_with_an_abstract_name)
{
    char name[64];
    AUTO_FD fd = -1;

    (void)snprintf(name, sizeof(name), "@bulkhead-test-%d", (int)getpid());
    fd = listen_at(name);
    ck_assert_int_eq(notify_send("STOPPING=1"), 0);
    expect(fd, "STOPPING=1");
}
END_TEST

START_TEST(nobody_wants_to_know)
{
    (void)unsetenv("NOTIFY_SOCKET");
    ck_assert_int_eq(notify_send("READY=1"), 0);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", "", 1), 0);
    ck_assert_int_eq(notify_send("READY=1"), 0);
}
END_TEST

START_TEST(a_manager_that_cannot_be_one)
{
    char longest[sizeof(((struct sockaddr_un){0}).sun_path) + 1];

    memset(longest, 'x', sizeof(longest));
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", longest, 1), 0);
    ck_assert_int_eq(notify_send("READY=1"), -EINVAL);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", "relative", 1), 0);
    ck_assert_int_eq(notify_send("READY=1"), -EINVAL);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1), 0);
    ck_assert_int_eq(notify_send("READY=1"), -ENOENT);
}
END_TEST

/* A manager that reads nothing holds nobody up. */
START_TEST(a_manager_that_does_not_read)
{
    char path[64];
    AUTO_FD fd = -1;
    int r = 0;

    (void)snprintf(path, sizeof(path), "%s/socket", folder);
    fd = listen_at(path);
    for (int i = 0; i < 100000 && r == 0; i++)
        r = notify_send("STATUS=%d", i);
    ck_assert_int_eq(r, -EAGAIN);
    expect(fd, "STATUS=0");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_unchecked_fixture(tests, enter, leave);
    tcase_add_test(tests, a_manager_with_a_path);
    tcase_add_test(tests, a_manager_with_an_abstract_name);
    tcase_add_test(tests, nobody_wants_to_know);
    tcase_add_test(tests, a_manager_that_cannot_be_one);
    tcase_add_test(tests, a_manager_that_does_not_read);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
