#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"
#include "cli/net_stream.h"

enum {
    FRAME_BYTES = 60,
    WHOLE = 4 + FRAME_BYTES,
};

static const uint8_t frame[WHOLE] = {[3] = FRAME_BYTES, [4] = 0xab, [WHOLE - 1] = 0xcd};
static int reader, writer;

static void set_up(void)
{
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    reader = pair[0];
    writer = pair[1];
}

static void tear_down(void)
{
    (void)close(reader);
    (void)close(writer);
}

static void put(size_t len)
{
    ck_assert_int_eq(send(writer, frame, len, 0), (ssize_t)len);
}

/* The next frame of the stream, with its length; which must be whole. */
static const uint8_t *take(uint32_t *ret_len)
{
    static uint8_t got[1 << 17];

    ck_assert_int_eq(recv(reader, got, 4, 0), 4);
    ck_assert(got[0] == 0 && got[1] == 0);
    *ret_len = (uint32_t)got[2] << 8 | got[3];
    ck_assert_uint_ge(*ret_len, 14);
    ck_assert_int_eq(recv(reader, got + 4, *ret_len, 0), (ssize_t)*ret_len);
    return got;
}

static void expect_frame(void)
{
    uint32_t len;

    ck_assert_mem_eq(take(&len), frame, sizeof(frame));
}

static void expect_nothing(void)
{
    uint8_t byte;

    ck_assert_int_eq(recv(reader, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
}

/* Wherever it ended, also within its length: whole frames before and after it come as they are. */
START_TEST(a_frame_that_was_begun_is_finished)
{
    size_t had = (size_t)_i;
    const uint8_t *got;
    uint32_t len;

    put(WHOLE);
    put(had);
    ck_assert_int_eq(net_stream_finish(reader, writer), 0);
    ck_assert_int_eq(net_stream_finish(reader, writer), 0); /* once */
    put(WHOLE);
    expect_frame();
    got = take(&len);
    ck_assert_mem_eq(got, frame, had < 4 ? had : 4);
    ck_assert(had < 4 ||
              (len == FRAME_BYTES && memcmp(got, frame, had) == 0 && got[WHOLE - 1] == 0));
    expect_frame();
    expect_nothing();
}
END_TEST

START_TEST(whole_frames_need_nothing)
{
    ck_assert_int_eq(net_stream_finish(reader, writer), 0);
    expect_nothing();
    put(WHOLE);
    put(WHOLE);
    ck_assert_int_eq(net_stream_finish(reader, writer), 0);
    expect_frame();
    expect_frame();
    expect_nothing();
}
END_TEST

START_TEST(what_is_no_frame_stays_as_it_is)
{
    static const uint8_t none[][4] = {
        {0,    0, 0, 13  },
        {0,    1, 0, 0x21},
        {0xff, 0, 0, 60  }
    };

    for (size_t i = 0; i < COUNT_OF(none); i++) {
        uint8_t got[4];

        ck_assert_int_eq(send(writer, none[i], 4, 0), 4);
        ck_assert_int_eq(net_stream_finish(reader, writer), -EBADMSG);
        ck_assert_int_eq(recv(reader, got, 4, 0), 4);
        expect_nothing();
    }
    ck_assert_int_eq(send(writer, none[2], 1, 0), 1); /* nor does its beginning become one */
    ck_assert_int_eq(net_stream_finish(reader, writer), -EBADMSG);
}
END_TEST

/* As a guest that takes no frames for a while leaves it. */
START_TEST(what_has_no_room_is_finished_when_there_is_some)
{
    const uint8_t length[4] = {0, 1, 0, 0x20}; /* the longest */
    unsigned frames = 0;
    int r;

    while (send(writer, frame, sizeof(frame), 0) == (ssize_t)sizeof(frame))
        frames++;
    ck_assert_int_eq(errno, EAGAIN);
    expect_frame();
    expect_frame();
    ck_assert_int_eq(send(writer, length, 4, 0), 4);
    r = net_stream_finish(reader, writer);
    ck_assert_int_eq(r, -EAGAIN);
    for (unsigned left = frames - 2; left > 0; left--) {
        expect_frame();
        r = net_stream_finish(reader, writer);
    }
    ck_assert_int_eq(r, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_stream");
    TCase *t = tcase_create("net_stream");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_frame_that_was_begun_is_finished, 1, WHOLE);
    tcase_add_test(t, whole_frames_need_nothing);
    tcase_add_test(t, what_is_no_frame_stays_as_it_is);
    tcase_add_test(t, what_has_no_room_is_finished_when_there_is_some);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
