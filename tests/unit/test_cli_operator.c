#include <check.h>
#include <errno.h>
#include <event2/buffer.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macro.h"
#include "cli/json.h"
#include "cli/operator.h"
#include "cli/remote_peer.h"

/* Clears the screen, in 7 bits and in 8; asks the terminal to type its answer; is no UTF-8. */
static char evil[] = "a\033[2J\x9b"
                     "2J\r\n\b\x7f\xff\xc3(z";
static const char harmless[] = "a?[2J?2J???"
                               "???"
                               "(z";

static int pair[2];

static void begin(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void end(void)
{
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static Bulkhead__AdminAnswer *receive(const Bulkhead__AdminAnswer *sent)
{
    Bulkhead__AdminAnswer *got = NULL;
    uint8_t bytes[4096];
    size_t len = bulkhead__admin_answer__pack(sent, bytes);
    int r;

    ck_assert_int_eq(send(pair[0], bytes, len, 0), (ssize_t)len);
    r = operator_next(pair[1], 1000, &got);
    ck_assert_int_eq(r, 0);
    return got;
}

START_TEST(nothing_in_an_answer_steers_a_terminal)
{
    Bulkhead__ProcessRow process;
    Bulkhead__ValueRow value;
    Bulkhead__LogRow line;
    Bulkhead__AdminAnswer a;
    Bulkhead__ProcessRow *processes[] = {&process};
    Bulkhead__ValueRow *values[] = {&value};
    Bulkhead__LogRow *lines[] = {&line};
    Bulkhead__AdminAnswer *got;

    bulkhead__process_row__init(&process);
    bulkhead__value_row__init(&value);
    bulkhead__log_row__init(&line);
    bulkhead__admin_answer__init(&a);
    a.error = evil;
    process.name = process.state = process.build_id = process.last_death = process.sandbox = evil;
    value.path = value.text = evil;
    line.process = line.text = evil;
    a.processes = processes;
    a.values = values;
    a.lines = lines;
    a.n_processes = a.n_values = a.n_lines = 1;
    got = receive(&a);
    ck_assert_str_eq(got->error, harmless);
    ck_assert_str_eq(got->processes[0]->name, harmless);
    ck_assert_str_eq(got->processes[0]->state, harmless);
    ck_assert_str_eq(got->processes[0]->build_id, harmless);
    ck_assert_str_eq(got->processes[0]->last_death, harmless);
    ck_assert_str_eq(got->processes[0]->sandbox, harmless);
    ck_assert_str_eq(got->values[0]->path, harmless);
    ck_assert_str_eq(got->values[0]->text, harmless);
    ck_assert_str_eq(got->lines[0]->process, harmless);
    ck_assert_str_eq(got->lines[0]->text, harmless);
    bulkhead__admin_answer__free_unpacked(got, NULL);
}
END_TEST

START_TEST(metrics_are_lines_and_nothing_else)
{
    static char text[] = "a\033[2J\n\xc2\x9b"
                         "2J\r\n";
    Bulkhead__AdminAnswer a;
    Bulkhead__AdminAnswer *got;

    bulkhead__admin_answer__init(&a);
    a.metrics = text;
    got = receive(&a);
    ck_assert_str_eq(got->metrics, "a?[2J\n??2J?\n");
    bulkhead__admin_answer__free_unpacked(got, NULL);
}
END_TEST

START_TEST(nor_does_a_refusal_over_the_network)
{
    static const char body[] = "{\"error\": \"a\\u001b[2J\\u009b2J\\n\"}";
    struct evbuffer *answer = evbuffer_new();
    char why[REMOTE_PEER_ERROR_BYTES];

    ck_assert_int_eq(evbuffer_add(answer, body, strlen(body)), 0);
    remote_peer_why(NULL, NULL, NULL, 409, answer, why);
    ck_assert_str_eq(why, "a?[2J??2J?");
    evbuffer_free(answer);
}
END_TEST

/* As registers come: in a text that is JSON already. */
START_TEST(nor_does_json)
{
    char text[64] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");

    json_line(json_pack("[s]", "a\033\xc2\x9b"
                               "2J"),
              out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(text, "[\"a\\u001B\\u009B2J\"]\n");
}
END_TEST

START_TEST(an_empty_answer_is_one)
{
    Bulkhead__AdminAnswer a;
    Bulkhead__AdminAnswer *got;

    bulkhead__admin_answer__init(&a);
    a.done = true;
    got = receive(&a);
    ck_assert(got->done);
    ck_assert_str_eq(got->error, "");
    bulkhead__admin_answer__free_unpacked(got, NULL);
}
END_TEST

START_TEST(what_is_no_answer_is_refused)
{
    Bulkhead__AdminAnswer *got = NULL;

    ck_assert_int_eq(send(pair[0], "\xff\xff\xff", 3, 0), 3);
    ck_assert_int_eq(operator_next(pair[1], 1000, &got), -EBADMSG);
    ck_assert_int_eq(operator_next(pair[1], 0, &got), -ETIMEDOUT);
    (void)shutdown(pair[0], SHUT_WR);
    ck_assert_int_eq(operator_next(pair[1], 1000, &got), -EPIPE);
    ck_assert_ptr_null(got);
}
END_TEST

/* Its queue is full of those whom it has not accepted either. */
START_TEST(a_vm_that_accepts_nobody_is_not_waited_for_without_end)
{
    char path[] = "/tmp/bulkhead-operator-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int fds[8];
    unsigned n = 0;
    int r = 0;

    ck_assert_ptr_nonnull(mkdtemp(path));
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", path);
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    while (n < COUNT_OF(fds) && r == 0) {
        r = operator_connect(address.sun_path, 1, &fds[n]);
        n += r == 0;
    }
    ck_assert_int_eq(r, -EAGAIN);
    while (n > 0)
        (void)close(fds[--n]);
    (void)close(listener);
    ck_assert_int_eq(unlink(address.sun_path), 0);
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cli_operator");
    TCase *c = tcase_create("cli_operator");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, begin, end);
    tcase_add_test(c, nothing_in_an_answer_steers_a_terminal);
    tcase_add_test(c, metrics_are_lines_and_nothing_else);
    tcase_add_test(c, nor_does_a_refusal_over_the_network);
    tcase_add_test(c, nor_does_json);
    tcase_add_test(c, an_empty_answer_is_one);
    tcase_add_test(c, what_is_no_answer_is_refused);
    tcase_add_test(c, a_vm_that_accepts_nobody_is_not_waited_for_without_end);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
