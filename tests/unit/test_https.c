#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "ipc/debug_stream.h"
#include "tests/fakes/diag_stage.h"
#include "tests/fakes/tls_ends.h"

enum {
    SESSION = 7, /* that the supervisor grants */
    ANSWER_BYTES = 4096,
};

/* Who may come, and the debug worker's end. */
struct far_stage {
    struct stage stage;
    struct made ca, server, debugger;
    struct sockaddr_in address;
    int listener, debug;
};

static void listen_far(struct far_stage *f)
{
    socklen_t len = sizeof(f->address);

    f->address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(f->listener, (struct sockaddr *)&f->address, len), 0);
    ck_assert_int_eq(getsockname(f->listener, (struct sockaddr *)&f->address, &len), 0);
    ck_assert_int_eq(listen(f->listener, 16), 0);
}

static void far_start(struct far_stage *f)
{
    static struct tls_page page;
    const char *why = "";
    int pair[2];

    stage_init(&f->stage);
    f->ca = make_certificate(NULL, "authority", 9, NULL, 1);
    f->server = make_certificate(&f->ca, "server", 6, "DNS:localhost", 1);
    f->debugger = make_certificate(&f->ca, "debugger", 8, "URI:urn:bulkhead:role:debugger", 1);
    put_ends(&page, &f->ca, &f->server);
    listen_far(f);
    f->stage.diag->revoked = calloc(1, sizeof(*f->stage.diag->revoked));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                     0);
    f->stage.diag->debug.stream = pair[0];
    f->debug = pair[1];
    ck_assert_int_eq(debug_init(f->stage.diag), 0);
    ck_assert_int_eq(diag_let_in(f->stage.diag, &https_network, f->listener, &page, &why), 0);
    stage_start(&f->stage);
}

static void far_done(struct far_stage *f)
{
    struct revoked_page *revoked = f->stage.diag->revoked;
    int stream = f->stage.diag->debug.stream;

    stage_done(&f->stage);
    free(revoked);
    fd_closep(&stream);
    fd_closep(&f->debug);
    fd_closep(&f->listener);
    made_done(&f->debugger);
    made_done(&f->server);
    made_done(&f->ca);
}

/* Asks for the one thing, over a connection of its own. */
static SSL *ask(const struct far_stage *f, const char *path)
{
    SSL *ssl = client_of(&f->debugger, TLS1_3_VERSION);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[128];
    int len = snprintf(text, sizeof(text),
                       "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);

    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&f->address, sizeof(f->address)), 0);
    ck_assert_int_eq(SSL_set_fd(ssl, fd), 1);
    ck_assert_int_eq(SSL_connect(ssl), 1);
    ck_assert_int_eq(SSL_write(ssl, text, len), len);
    return ssl;
}

static void grant(const struct far_stage *f)
{
    struct channel_msg m = hear(&f->stage);
    Bulkhead__AdminReply r;
    Bulkhead__Envelope e;

    bulkhead__admin_reply__init(&r);
    bulkhead__envelope__init(&e);
    r.tag = m.envelope->admin_request->tag;
    r.session = SESSION;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REPLY;
    e.admin_reply = &r;
    ck_assert_int_eq(channel_send(f->stage.supervisor, &e, NULL, 0), 0);
    channel_msg_done(&m);
}

static void debug_says(const struct far_stage *f, enum debug_frame_kind kind, const char *text)
{
    const struct debug_head head = {.session = SESSION, .kind = kind};

    ck_assert_int_eq(debug_frame_send(f->debug, head, text, strlen(text)), 0);
}

/* What comes up to that text, or to the end of the connection. */
static void read_to(SSL *ssl, const char *end, char ret[ANSWER_BYTES])
{
    size_t len = 0;
    int n = 1;

    ret[0] = '\0';
    while (n > 0 && (end == NULL || strstr(ret, end) == NULL)) {
        n = SSL_read(ssl, ret + len, (int)(ANSWER_BYTES - 1 - len));
        len += n > 0 ? (size_t)n : 0;
        ret[len] = '\0';
    }
}

/* The supervisor hears that the session has ended. */
static void leave(const struct far_stage *f, SSL *ssl)
{
    struct channel_msg m = hear(&f->stage);
    int fd = SSL_get_fd(ssl);

    ck_assert_int_eq(m.envelope->admin_request->action, BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG_END);
    channel_msg_done(&m);
    SSL_free(ssl);
    fd_closep(&fd);
}

static const char *const shown[] = {"/v1/vm/registers", "/v1/vm/dump"};

START_TEST(what_fails_before_it_begins_is_refused)
{
    char text[ANSWER_BYTES];
    struct far_stage f;
    SSL *ssl;

    far_start(&f);
    ssl = ask(&f, shown[_i]);
    grant(&f);
    (void)poll(NULL, 0, LATER_MS); /* all that is said of it until then has gone out */
    debug_says(&f, DEBUG_FRAME_END, "the guest does not stop");
    read_to(ssl, NULL, text);
    ck_assert_msg(strncmp(text, "HTTP/1.1 409 ", 13) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "{\"error\":\"the guest does not stop\"}"));
    leave(&f, ssl);
    far_done(&f);
}
END_TEST

START_TEST(what_fails_in_the_middle_has_no_end)
{
    char text[ANSWER_BYTES];
    struct far_stage f;
    SSL *ssl;

    far_start(&f);
    ssl = ask(&f, shown[_i]);
    grant(&f);
    debug_says(&f, DEBUG_FRAME_DATA, "[half");
    read_to(ssl, "[half\r\n", text);
    ck_assert_msg(strncmp(text, "HTTP/1.1 200 ", 13) == 0, "%s", text);
    debug_says(&f, DEBUG_FRAME_END, "a vCPU is gone");
    read_to(ssl, NULL, text);
    ck_assert_str_eq(text, "");
    leave(&f, ssl);
    far_done(&f);
}
END_TEST

/* Of nothing, too. */
START_TEST(what_comes_to_its_end_says_so)
{
    static const char *const parts[] = {"", "[]"};
    char text[ANSWER_BYTES];
    struct far_stage f;
    SSL *ssl;

    far_start(&f);
    ssl = ask(&f, shown[0]);
    grant(&f);
    if (parts[_i][0] != '\0')
        debug_says(&f, DEBUG_FRAME_DATA, parts[_i]);
    debug_says(&f, DEBUG_FRAME_END, "");
    read_to(ssl, NULL, text);
    ck_assert_msg(strncmp(text, "HTTP/1.1 200 ", 13) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, parts[_i]));
    ck_assert_str_eq(text + strlen(text) - 7, "\r\n0\r\n\r\n");
    leave(&f, ssl);
    far_done(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("https");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    (void)signal(SIGPIPE,
                 SIG_IGN); /* the real one is its namespace's init: nothing unasked for ends it */
    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, what_fails_before_it_begins_is_refused, 0, 2);
    tcase_add_loop_test(tests, what_fails_in_the_middle_has_no_end, 0, 2);
    tcase_add_loop_test(tests, what_comes_to_its_end_says_so, 0, 2);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
