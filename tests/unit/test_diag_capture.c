#include <check.h>
#include <stdlib.h>

#include "tests/fakes/diag_stage.h"
#include "workers/diag/session.h"

enum {
    NIC = 1,
    SMALL = 60,
    RING_FRAMES = CAPTURE_RING_BYTES / (CAPTURE_ALIGN + 64), /* small ones */
};

/* The stage, with a ring of captured frames. */
struct watched {
    struct stage stage;
    struct capture_page *page;
    struct capture_writer writer;
};

/* Frames as an operator gets them. */
struct watcher {
    int fd;
    uint64_t frames, bytes, lost;
    uint32_t have; /* of the last one */
    uint64_t last; /* time_ns of it */
    uint8_t frame[CAPTURE_FRAME_MAX];
};

static void begin(struct watched *w)
{
    stage_init(&w->stage);
    w->page = calloc(1, sizeof(*w->page));
    ck_assert_ptr_nonnull(w->page);
    w->writer = (struct capture_writer){.page = w->page};
    w->stage.diag->capture = w->page;
    stage_start(&w->stage);
}

/* The supervisor has heard everything. */
static void done(struct watched *w)
{
    struct pollfd p = {.fd = w->stage.supervisor, .events = POLLIN};

    while (poll(&p, 1, LATER_MS) > 0) {
        struct channel_msg m = hear(&w->stage);

        channel_msg_done(&m);
    }
    stage_done(&w->stage);
    free(w->page);
}

static void write_frame(struct watched *w, uint32_t nic, uint32_t len, uint64_t number)
{
    const struct capture_record r = {
        .time_ns = number, .len = len, .captured = len, .nic = nic, .outbound = number % 2};

    capture_begin(&w->writer, &r);
    for (size_t left = len, some; left > 0; left -= some) {
        uint8_t *to = capture_room(&w->writer, left, &some);

        memset(to, (int)number, some);
    }
    capture_end(&w->writer, nic);
}

static void ask_for(int fd, uint32_t nic, uint32_t bytes)
{
    Bulkhead__CaptureChange change;
    Bulkhead__AdminCall c;
    uint8_t packed[64];

    bulkhead__admin_call__init(&c);
    bulkhead__capture_change__init(&change);
    c.verb = BULKHEAD__ADMIN_CALL__VERB__CAPTURE;
    c.capture = &change;
    change.nic = nic;
    change.bytes = bytes;
    send_bytes(fd, packed, bulkhead__admin_call__pack(&c, packed), -1);
}

/* The supervisor is asked for that; its tag. */
static uint32_t expect_wish(const struct watched *w, uint32_t nic, uint32_t bytes)
{
    struct channel_msg m = hear(&w->stage);
    const Bulkhead__AdminRequest *rq = m.envelope->admin_request;
    uint32_t tag = rq->tag;

    ck_assert_int_eq(rq->action, BULKHEAD__ADMIN_REQUEST__ACTION__CAPTURE);
    ck_assert_uint_eq(rq->capture->nic, nic);
    ck_assert_uint_eq(rq->capture->bytes, bytes);
    channel_msg_done(&m);
    return tag;
}

static void take(struct watcher *o, const Bulkhead__AdminAnswer *a)
{
    ck_assert(a->capturing);
    ck_assert_str_eq(a->error, "");
    ck_assert(!a->done);
    o->lost = a->lost;
    for (size_t i = 0; i < a->n_frames; i++) {
        const Bulkhead__FramePart *part = a->frames[i];

        ck_assert_uint_le(part->data.len, part->captured - o->have);
        memcpy(o->frame + o->have, part->data.data, part->data.len);
        o->have += (uint32_t)part->data.len;
        if (o->have < part->captured)
            continue;
        ck_assert_int_eq(part->outbound, part->time_ns % 2 == 1);
        ck_assert_uint_eq(o->frame[0], (uint8_t)part->time_ns);
        ck_assert_uint_eq(o->frame[part->captured - 1], (uint8_t)part->time_ns);
        ck_assert_uint_gt(part->time_ns, o->last);
        o->last = part->time_ns;
        o->frames++;
        o->bytes += part->captured;
        o->have = 0;
    }
}

/* Until so many have come, or were lost. */
static void take_until(struct watcher *o, uint64_t frames)
{
    while (o->frames + o->lost < frames) {
        Bulkhead__AdminAnswer *a = answer(o->fd, SOON_MS);

        ck_assert_ptr_nonnull(a);
        take(o, a);
        bulkhead__admin_answer__free_unpacked(a, NULL);
    }
}

/* It watches, and has been told so; others want so many bytes already. */
static void watch(struct watched *w, struct watcher *o, uint32_t bytes, uint32_t wanted)
{
    Bulkhead__AdminAnswer *a;

    *o = (struct watcher){.fd = operator_come(&w->stage)};
    ask_for(o->fd, NIC, bytes);
    reply(&w->stage, expect_wish(w, NIC, wanted), "");
    a = answer(o->fd, SOON_MS);
    ck_assert_ptr_nonnull(a);
    ck_assert_uint_eq(a->n_frames, 0);
    take(o, a);
    bulkhead__admin_answer__free_unpacked(a, NULL);
}

START_TEST(frames_come_as_they_are_written)
{
    static struct watcher o;
    struct watched w;

    begin(&w);
    write_frame(&w, NIC, SMALL, 1); /* too early */
    watch(&w, &o, CAPTURE_FRAME_MAX, CAPTURE_FRAME_MAX);
    write_frame(&w, NIC, SMALL, 2);
    take_until(&o, 1);
    write_frame(&w, NIC + 1, SMALL, 3);
    write_frame(&w, NIC, SMALL, 4);
    take_until(&o, 2);
    ck_assert_uint_eq(o.last, 4);
    ck_assert_uint_eq(o.lost, 0);
    fd_closep(&o.fd);
    done(&w);
}
END_TEST

/* Many in a datagram, and many datagrams for one. */
START_TEST(frames_of_any_length_come_whole)
{
    static const uint32_t lengths[] = {1,     SMALL, 1514,  9014,
                                       16000, 16384, 40000, CAPTURE_FRAME_MAX};
    static struct watcher o;
    struct watched w;
    uint64_t n = 0, bytes = 0;

    begin(&w);
    watch(&w, &o, CAPTURE_FRAME_MAX, CAPTURE_FRAME_MAX);
    for (unsigned i = 0; i < 10 * COUNT_OF(lengths); i++) {
        uint32_t len = lengths[(i + i / COUNT_OF(lengths)) % COUNT_OF(lengths)];

        write_frame(&w, NIC, len, ++n);
        bytes += len;
    }
    for (unsigned i = 0; i < 1000; i++)
        write_frame(&w, NIC, SMALL, ++n);
    take_until(&o, n);
    ck_assert_uint_eq(o.frames, n);
    ck_assert_uint_eq(o.bytes, bytes + 1000ull * SMALL);
    fd_closep(&o.fd);
    done(&w);
}
END_TEST

/* It is told how many, keeps its session, and others are served meanwhile. */
START_TEST(who_does_not_read_loses_frames)
{
    static struct watcher slow, quick;
    struct watched w;
    AUTO_FD other = -1;
    uint64_t n = 0;

    begin(&w);
    watch(&w, &slow, CAPTURE_FRAME_MAX, CAPTURE_FRAME_MAX);
    watch(&w, &quick, SMALL, CAPTURE_FRAME_MAX);
    for (unsigned i = 0; i < 2 * RING_FRAMES; i++) {
        write_frame(&w, NIC, SMALL, ++n);
        if (n % 1000 == 0)
            take_until(&quick, n);
    }
    take_until(&quick, n);
    ck_assert_uint_eq(quick.lost, 0);
    ck_assert_uint_eq(quick.frames, n);
    other = operator_come(&w.stage);
    call(other, BULKHEAD__ADMIN_CALL__VERB__PS, "", false, -1);
    expect_end(other, "");
    take_until(&slow, n);
    ck_assert_uint_gt(slow.frames, 0);
    ck_assert_uint_gt(slow.lost, 0);
    ck_assert_uint_eq(slow.frames + slow.lost, n);
    write_frame(&w, NIC, SMALL, ++n);
    take_until(&slow, n);
    ck_assert_uint_eq(slow.last, n);
    fd_closep(&slow.fd);
    fd_closep(&quick.fd);
    done(&w);
}
END_TEST

/* However long: a follower of logs would be gone. */
START_TEST(who_does_not_read_keeps_the_session)
{
    static struct diag diag;
    struct session *s = &diag.sessions[0];

    s->diag = &diag;
    s->state = SESSION_ANSWERING;
    s->question.verb = BULKHEAD__ADMIN_CALL__VERB__CAPTURE;
    s->question.follow = true;
    s->datagram.len = 1;
    session_tick(s, UINT64_MAX);
    ck_assert_int_eq(s->state, SESSION_ANSWERING);
}
END_TEST

START_TEST(the_supervisor_is_asked_for_as_long_as_somebody_watches)
{
    static struct watcher a, b;
    struct watched w;
    struct pollfd p;

    begin(&w);
    p = (struct pollfd){.fd = w.stage.supervisor, .events = POLLIN};
    watch(&w, &a, 100, 100);
    (void)expect_wish(&w, NIC, 100); /* a second later */
    watch(&w, &b, 200, 200);
    (void)expect_wish(&w, NIC, 200);
    fd_closep(&a.fd);
    (void)expect_wish(&w, NIC, 200);
    watch(&w, &a, 50, 200);
    fd_closep(&b.fd);
    (void)expect_wish(&w, NIC, 50);
    fd_closep(&a.fd);
    (void)expect_wish(&w, NIC, 0);
    ck_assert_int_eq(poll(&p, 1, 2 * CAPTURE_ASK_MS), 0);
    done(&w);
}
END_TEST

START_TEST(a_refusal_is_told_and_captures_nothing)
{
    struct watched w;
    AUTO_FD fd = -1;

    begin(&w);
    fd = operator_come(&w.stage);
    ask_for(fd, NIC, 100);
    reply(&w.stage, expect_wish(&w, NIC, 100), "because");
    expect_end(fd, "because");
    (void)expect_wish(&w, NIC, 0); /* in case it was on all the same */
    write_frame(&w, NIC, SMALL, 1);
    ck_assert_ptr_null(answer(fd, LATER_MS));
    call(fd, BULKHEAD__ADMIN_CALL__VERB__PS, "", false, -1);
    expect_end(fd, "");
    done(&w);
}
END_TEST

START_TEST(wrong_wishes_are_refused_at_once)
{
    static const uint32_t wrong[][2] = {
        {NETS_MAX,   100                  },
        {UINT32_MAX, 100                  },
        {NIC,        0                    },
        {NIC,        CAPTURE_FRAME_MAX + 1},
        {NIC,        UINT32_MAX           },
    };
    struct watched w;
    AUTO_FD fd = -1;

    begin(&w);
    fd = operator_come(&w.stage);
    call(fd, BULKHEAD__ADMIN_CALL__VERB__CAPTURE, "", false, -1);
    expect_end(fd, "no NIC named");
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        ask_for(fd, wrong[i][0], wrong[i][1]);
        expect_end(fd, "no such NIC, or no such length of frames");
    }
    done(&w);
}
END_TEST

/* Whatever a net worker that was taken over writes: others are served. */
START_TEST(a_ring_of_nonsense_harms_nobody)
{
    static struct watcher o;
    struct watched w;
    AUTO_FD other = -1;

    begin(&w);
    watch(&w, &o, CAPTURE_FRAME_MAX, CAPTURE_FRAME_MAX);
    memset(w.page->ring, 0xff, sizeof(w.page->ring));
    for (unsigned i = 0; i < 30; i++) {
        w.page->begun = w.page->written = i * 0x123456789abcdefULL;
        w.page->frames[NIC] = i % 2 == 0 ? i : UINT64_MAX;
        (void)poll(NULL, 0, CAPTURE_LOOK_MS);
    }
    other = operator_come(&w.stage);
    call(other, BULKHEAD__ADMIN_CALL__VERB__PS, "", false, -1);
    expect_end(other, "");
    fd_closep(&o.fd);
    done(&w);
}
END_TEST

START_TEST(who_talks_while_it_watches_loses_the_session)
{
    static struct watcher o;
    struct watched w;

    begin(&w);
    watch(&w, &o, 100, 100);
    call(o.fd, BULKHEAD__ADMIN_CALL__VERB__PS, "", false, -1);
    expect_closed(o.fd);
    (void)expect_wish(&w, NIC, 0);
    fd_closep(&o.fd);
    done(&w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("diag_capture");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, frames_come_as_they_are_written);
    tcase_add_test(tests, frames_of_any_length_come_whole);
    tcase_add_test(tests, who_does_not_read_loses_frames);
    tcase_add_test(tests, who_does_not_read_keeps_the_session);
    tcase_add_test(tests, the_supervisor_is_asked_for_as_long_as_somebody_watches);
    tcase_add_test(tests, a_refusal_is_told_and_captures_nothing);
    tcase_add_test(tests, wrong_wishes_are_refused_at_once);
    tcase_add_test(tests, a_ring_of_nonsense_harms_nobody);
    tcase_add_test(tests, who_talks_while_it_watches_loses_the_session);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
