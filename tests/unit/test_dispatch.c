#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/macro.h"
#include "ipc/dispatch.h"

enum {
    PHASE_ONE = 1,
    PHASE_TWO = 2,
    HANDLER_SAYS = -ENOTTY,
};

static unsigned handled;
static int kept_fd;

static int on_kill(void *self, struct channel_msg *m)
{
    ck_assert_ptr_eq(self, &handled);
    ck_assert_int_eq(m->envelope->body_case, BULKHEAD__ENVELOPE__BODY_KILL);
    handled++;
    return m->envelope->kill->process == 99 ? HANDLER_SAYS : 0;
}

static int on_spawn(void *self, struct channel_msg *m)
{
    (void)self;
    handled++;
    if (m->n_fds > 0) {
        kept_fd = m->fds[0];
        m->fds[0] = -1;
    }
    return 0;
}

static const struct dispatch_row rows[] = {
    {BULKHEAD__ENVELOPE__BODY_KILL,  0, 0, PHASE_ONE | PHASE_TWO, on_kill },
    {BULKHEAD__ENVELOPE__BODY_SPAWN, 1, 2, PHASE_TWO,             on_spawn},
};

/* A message as it comes off a channel: unpacked, with descriptors of its own. */
static struct channel_msg message(Bulkhead__Envelope__BodyCase type, uint32_t process, unsigned fds)
{
    struct channel_msg m = {.n_fds = fds};
    Bulkhead__Kill kill = BULKHEAD__KILL__INIT;
    Bulkhead__Spawn spawn = BULKHEAD__SPAWN__INIT;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;
    uint8_t buf[64];

    kill.process = process;
    e.body_case = type;
    if (type == BULKHEAD__ENVELOPE__BODY_KILL)
        e.kill = &kill;
    else if (type == BULKHEAD__ENVELOPE__BODY_SPAWN)
        e.spawn = &spawn;
    m.envelope = bulkhead__envelope__unpack(NULL, bulkhead__envelope__pack(&e, buf), buf);
    ck_assert_ptr_nonnull(m.envelope);
    for (unsigned i = 0; i < fds; i++) {
        m.fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(m.fds[i], 0);
    }
    return m;
}

static int run(struct channel_msg *m, unsigned phase)
{
    return dispatch(rows, COUNT_OF(rows), phase, &handled, m);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(a_message_reaches_its_handler)
{
    struct channel_msg m = message(BULKHEAD__ENVELOPE__BODY_KILL, 1, 0);

    ck_assert_int_eq(run(&m, PHASE_ONE), 0);
    ck_assert_uint_eq(handled, 1);
    ck_assert_ptr_null(m.envelope);
}
END_TEST

START_TEST(what_a_handler_takes_stays_open_the_rest_is_closed)
{
    struct channel_msg m = message(BULKHEAD__ENVELOPE__BODY_SPAWN, 0, 2);
    int other = m.fds[1];

    ck_assert_int_eq(run(&m, PHASE_TWO), 0);
    ck_assert(is_open(kept_fd));
    ck_assert(!is_open(other));
    (void)close(kept_fd);
}
END_TEST

START_TEST(a_handlers_error_is_passed_on)
{
    struct channel_msg m = message(BULKHEAD__ENVELOPE__BODY_KILL, 99, 0);

    ck_assert_int_eq(run(&m, PHASE_ONE), HANDLER_SAYS);
    ck_assert_ptr_null(m.envelope);
}
END_TEST

static void expect_refusal(struct channel_msg m, unsigned phase)
{
    int fd = m.n_fds > 0 ? m.fds[m.n_fds - 1] : -1;

    ck_assert_int_eq(run(&m, phase), -EPROTO);
    ck_assert_uint_eq(handled, 0);
    ck_assert_ptr_null(m.envelope);
    ck_assert(fd < 0 || !is_open(fd));
}

START_TEST(an_unknown_type_is_refused)
{
    expect_refusal(message(BULKHEAD__ENVELOPE__BODY__NOT_SET, 0, 0), PHASE_ONE);
}
END_TEST

START_TEST(a_descriptor_too_many_is_refused)
{
    expect_refusal(message(BULKHEAD__ENVELOPE__BODY_KILL, 0, 1), PHASE_ONE);
    expect_refusal(message(BULKHEAD__ENVELOPE__BODY_SPAWN, 0, 3), PHASE_TWO);
}
END_TEST

START_TEST(a_descriptor_too_few_is_refused)
{
    expect_refusal(message(BULKHEAD__ENVELOPE__BODY_SPAWN, 0, 0), PHASE_TWO);
}
END_TEST

START_TEST(the_wrong_phase_is_refused)
{
    expect_refusal(message(BULKHEAD__ENVELOPE__BODY_SPAWN, 0, 1), PHASE_ONE);
}
END_TEST

START_TEST(without_rows_all_is_refused)
{
    struct channel_msg m = message(BULKHEAD__ENVELOPE__BODY_KILL, 0, 0);

    ck_assert_int_eq(dispatch(NULL, 0, PHASE_ONE, NULL, &m), -EPROTO);
    ck_assert_ptr_null(m.envelope);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dispatch");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(c, a_message_reaches_its_handler);
    tcase_add_test(c, what_a_handler_takes_stays_open_the_rest_is_closed);
    tcase_add_test(c, a_handlers_error_is_passed_on);
    tcase_add_test(c, an_unknown_type_is_refused);
    tcase_add_test(c, a_descriptor_too_many_is_refused);
    tcase_add_test(c, a_descriptor_too_few_is_refused);
    tcase_add_test(c, the_wrong_phase_is_refused);
    tcase_add_test(c, without_rows_all_is_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
