#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/debug_stream.h"

static int ends[2];
static uint8_t bytes[DEBUG_FRAME_MAX];

static void set_up(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
}

static void tear_down(void)
{
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static int say(uint32_t session, const char *text)
{
    const struct debug_head head = {.session = session, .kind = DEBUG_FRAME_DATA};

    return debug_frame_send(ends[0], head, text, strlen(text));
}

START_TEST(what_is_sent_comes)
{
    uint32_t kind = 0;

    ck_assert_int_eq(debug_frame_receive(ends[1], 1, &kind, bytes), -EAGAIN);
    ck_assert_int_eq(say(1, "abc"), 0);
    ck_assert_int_eq(say(1, ""), 0);
    ck_assert_int_eq(debug_frame_receive(ends[1], 1, &kind, bytes), 3);
    ck_assert_uint_eq(kind, DEBUG_FRAME_DATA);
    ck_assert_mem_eq(bytes, "abc", 3);
    ck_assert_int_eq(debug_frame_receive(ends[1], 1, &kind, bytes), 0);
    ck_assert_int_eq(debug_frame_receive(ends[1], 1, &kind, bytes), -EAGAIN);
}
END_TEST

START_TEST(other_sessions_are_dropped)
{
    uint32_t kind;

    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(say(7, "old"), 0);
    ck_assert_int_eq(say(8, "new"), 0);
    ck_assert_int_eq(debug_frame_receive(ends[1], 8, &kind, bytes), -EAGAIN); /* not all at once */
    ck_assert_int_eq(debug_frame_receive(ends[1], 8, &kind, bytes), 3);
    ck_assert_mem_eq(bytes, "new", 3);
}
END_TEST

START_TEST(what_is_no_frame)
{
    static uint8_t large[DEBUG_FRAME_MAX + sizeof(struct debug_head) + 1];
    uint32_t kind;

    ck_assert_int_gt(send(ends[0], "abc", 3, 0), 0);
    ck_assert_int_eq(debug_frame_receive(ends[1], 0, &kind, bytes), -EBADMSG);
    ck_assert_int_gt(send(ends[0], large, sizeof(large), 0), 0);
    ck_assert_int_eq(debug_frame_receive(ends[1], 0, &kind, bytes), -EBADMSG);
}
END_TEST

START_TEST(who_does_not_read_makes_nobody_wait)
{
    int r = 0;

    for (int i = 0; r == 0 && i < 100000; i++)
        r = say(1, "abc");
    ck_assert_int_eq(r, -EAGAIN);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("debug_stream");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_sent_comes);
    tcase_add_test(tests, other_sessions_are_dropped);
    tcase_add_test(tests, what_is_no_frame);
    tcase_add_test(tests, who_does_not_read_makes_nobody_wait);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
