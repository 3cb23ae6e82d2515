#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.pb-c.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/say.h"
#include "tests/fakes/operator.h"

enum {
    OUTPUT_BYTES = 256,
};

static char folder[] = "/tmp/test-link-XXXXXX";

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

/* The command, in a process of its own, its output in *ret_out. */
static pid_t start(const char *nic, const char *word, bool json, int *ret_out)
{
    struct cli_args args = {
        .name = "vm", .socket = "socket", .target = nic, .detail = word, .json = json};
    int out[2];
    pid_t pid;

    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)dup2(out[1], STDOUT_FILENO);
        (void)dup2(out[1], STDERR_FILENO);
        exit(link_command(&args));
    }
    (void)close(out[1]);
    *ret_out = out[0];
    return pid;
}

/* It ends with that status, and has said what holds that. */
static void expect_end(pid_t pid, int out, int status, const char *said)
{
    char text[OUTPUT_BYTES] = "";
    size_t len = 0;
    ssize_t n;
    int got;

    while ((n = read(out, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    ck_assert_int_eq(waitpid(pid, &got, 0), pid);
    ck_assert(WIFEXITED(got));
    ck_assert_int_eq(WEXITSTATUS(got), status);
    ck_assert_msg(strstr(text, said) != NULL, "%s", text);
}

/* The command's next question. */
static Bulkhead__AdminCall *hear(int listener, int *ret_connection)
{
    uint8_t bytes[1024];
    Bulkhead__AdminCall *call;
    ssize_t len;

    *ret_connection = accept(listener, NULL, NULL);
    ck_assert_int_ge(*ret_connection, 0);
    len = recv(*ret_connection, bytes, sizeof(bytes), 0);
    ck_assert_int_gt(len, 0);
    call = bulkhead__admin_call__unpack(NULL, (size_t)len, bytes);
    ck_assert_ptr_nonnull(call);
    return call;
}

static void hear_change(int listener, uint32_t nic, bool up, const char *error)
{
    AUTO_FD connection = -1;
    Bulkhead__AdminCall *call = hear(listener, &connection);

    ck_assert_int_eq(call->verb, BULKHEAD__ADMIN_CALL__VERB__LINK);
    ck_assert_ptr_nonnull(call->link);
    ck_assert_uint_eq(call->link->nic, nic);
    ck_assert_int_eq(call->link->up, up);
    bulkhead__admin_call__free_unpacked(call, NULL);
    answer(connection, error, NULL);
}

static void hear_question(int listener, const char *path, const char *link)
{
    AUTO_FD connection = -1;
    Bulkhead__AdminCall *call = hear(listener, &connection);

    ck_assert_int_eq(call->verb, BULKHEAD__ADMIN_CALL__VERB__INSPECT);
    ck_assert_str_eq(call->target, path);
    bulkhead__admin_call__free_unpacked(call, NULL);
    answer(connection, "", link);
}

START_TEST(a_link_is_set)
{
    AUTO_FD listener = listen_here();
    AUTO_FD out = -1;
    bool up = _i == 1;
    pid_t pid = start("2", up ? "up" : "down", false, &out);

    hear_change(listener, 2, up, "");
    hear_question(listener, "supervisor/nic2/link", up ? "up" : "down");
    expect_end(pid, out, EXIT_OK, up ? "nic 2: up\n" : "nic 2: down\n");
}
END_TEST

START_TEST(a_link_is_told)
{
    AUTO_FD listener = listen_here();
    AUTO_FD out = -1;
    pid_t pid = start("0", NULL, true, &out);

    hear_question(listener, "supervisor/nic0/link", "down");
    expect_end(pid, out, EXIT_OK, "\"link\": \"down\"");
}
END_TEST

START_TEST(a_refusal_is_told)
{
    AUTO_FD listener = listen_here();
    AUTO_FD out = -1;
    pid_t pid = start("3", "up", false, &out);

    hear_change(listener, 3, true, "because");
    expect_end(pid, out, EXIT_FAILED, "because");
}
END_TEST

START_TEST(a_nic_that_is_not_there_has_no_link)
{
    AUTO_FD listener = listen_here();
    AUTO_FD out = -1;
    pid_t pid = start("3", NULL, false, &out);

    hear_question(listener, "supervisor/nic3/link", NULL);
    expect_end(pid, out, EXIT_FAILED, "no NIC of that number: `bulkhead inspect net`");
}
END_TEST

START_TEST(a_vm_without_nics_has_no_link)
{
    AUTO_FD listener = listen_here();
    AUTO_FD out = -1;
    pid_t pid = start("0", NULL, false, &out);

    hear_question(listener, "supervisor/nic0/link", NULL);
    expect_end(pid, out, EXIT_FAILED, "this VM has no NIC");
}
END_TEST

static const struct {
    const char *nic, *word, *says;
} wrongs[] = {
    {"eth0", "up",   "link eth0: the number of a NIC is wanted, 0 to 3"},
    {"4",    "up",   "link 4: the number of a NIC is wanted"           },
    {"-1",   NULL,   "link -1: the number of a NIC is wanted"          },
    {"0",    "UP",   "link 0 UP: up or down is wanted"                 },
    {"0",    "left", "link 0 left: up or down is wanted"               },
    {"0",    "",     "up or down is wanted"                            },
};

START_TEST(what_is_wrong_is_seen_before_the_vm_is_asked)
{
    AUTO_FD listener = listen_here();
    AUTO_FD out = -1;
    pid_t pid = start(wrongs[_i].nic, wrongs[_i].word, false, &out);

    expect_end(pid, out, EXIT_USAGE, wrongs[_i].says);
    ck_assert_int_eq(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_lt(accept(listener, NULL, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link_command");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_unchecked_fixture(tests, enter, leave);
    tcase_add_loop_test(tests, a_link_is_set, 0, 2);
    tcase_add_test(tests, a_link_is_told);
    tcase_add_test(tests, a_refusal_is_told);
    tcase_add_test(tests, a_nic_that_is_not_there_has_no_link);
    tcase_add_test(tests, a_vm_without_nics_has_no_link);
    tcase_add_loop_test(tests, what_is_wrong_is_seen_before_the_vm_is_asked, 0, COUNT_OF(wrongs));
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
