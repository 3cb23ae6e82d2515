/*
 * tests/unit/registry_case.h - what tests of the supervisor's registry begin with: init and the workers, played by the
 * test, and no process at all.
 *
 * A test program's own: file-level state, one case at a time.
 */
#pragma once

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/board_read.h"
#include "base/clock.h"
#include "base/fd.h"
#include "ipc/channel.h"
#include "supervisor/admin.h"
#include "supervisor/lifecycle.h"
#include "supervisor/watch.h"

enum {
    STATUS_KILLED = SIGKILL,
    STATUS_EXIT_1 = 1 << 8,
    TAG = 77,
};

/* The supervisor's registry, with init at the other end of FD_CONTROL and no process at all. */
struct stage {
    struct registry reg;
    struct event_base *base;
    struct board board;
    struct port_client port;
    int init;
    int workers[PROCESS_COUNT]; /* the worker's end of the newest generation's channel */
    unsigned n_running;
};

static struct stage s;
static struct board_page board_page;
static struct port_page port_page;

static inline void on_all_running(void *self)
{
    (void)self;
    s.n_running++;
}

static inline void on_cannot_start(void *self, const char *text)
{
    (void)self;
    ck_abort_msg("cannot start: %s", text);
}

static inline void on_lost_init(void *self)
{
    (void)self;
    ck_abort_msg("lost init");
}

/* --- init, and the workers that it would have started --- */

static inline void settle(void)
{
    (void)event_base_loop(s.base, EVLOOP_NONBLOCK);
}

static inline void init_says(const Bulkhead__Envelope *e, int fd)
{
    int r = channel_send(s.init, e, &fd, fd >= 0 ? 1 : 0);

    ck_assert_int_eq(r, 0);
    settle();
}

static inline void say_spawned(uint32_t process, uint32_t generation)
{
    Bulkhead__Spawned body;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;
    char build_id[] = "0123";
    int pair[2];
    int r = channel_pair(pair);

    bulkhead__spawned__init(&body);
    ck_assert_int_eq(r, 0);
    fd_closep(&s.workers[process]);
    s.workers[process] = pair[1];
    body.process = process;
    body.generation = generation;
    body.pid = (int32_t)(100 + generation);
    body.build_id = build_id;
    e.body_case = BULKHEAD__ENVELOPE__BODY_SPAWNED;
    e.spawned = &body;
    init_says(&e, pair[0]);
    fd_closep(&pair[0]);
}

static inline void say_verified(uint32_t process, uint32_t generation)
{
    Bulkhead__Verified body;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;

    bulkhead__verified__init(&body);
    body.process = process;
    body.generation = generation;
    e.body_case = BULKHEAD__ENVELOPE__BODY_VERIFIED;
    e.verified = &body;
    init_says(&e, -1);
}

static inline void say_died(uint32_t process, uint32_t generation, int status, bool out_of_memory)
{
    Bulkhead__Died body = BULKHEAD__DIED__INIT;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;

    body.process = process;
    body.generation = generation;
    body.wait_status = status;
    body.out_of_memory = out_of_memory;
    e.body_case = BULKHEAD__ENVELOPE__BODY_DIED;
    e.died = &body;
    init_says(&e, -1);
}

static inline void say_ready(uint32_t process, uint32_t generation)
{
    Bulkhead__Ready body;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;
    int r;

    bulkhead__ready__init(&body);
    body.generation = generation;
    e.body_case = BULKHEAD__ENVELOPE__BODY_READY;
    e.ready = &body;
    r = channel_send(s.workers[process], &e, NULL, 0);
    ck_assert_int_eq(r, 0);
    settle();
}

static inline void ask_restart_by(uint32_t process, int binary)
{
    Bulkhead__AdminRequest body = BULKHEAD__ADMIN_REQUEST__INIT;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;
    int r;

    body.tag = TAG;
    body.process = process;
    body.action = BULKHEAD__ADMIN_REQUEST__ACTION__RESTART;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST;
    e.admin_request = &body;
    r = channel_send(s.workers[PROCESS_DIAG], &e, &binary, binary >= 0 ? 1 : 0);
    ck_assert_int_eq(r, 0);
    settle();
}

static inline void ask_restart(uint32_t process)
{
    ask_restart_by(process, -1);
}

static inline void ask_disk(uint32_t tag, int fd)
{
    Bulkhead__AdminRequest body = BULKHEAD__ADMIN_REQUEST__INIT;
    Bulkhead__DiskChange change = BULKHEAD__DISK_CHANGE__INIT;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;
    int r;

    change.action = BULKHEAD__DISK_CHANGE__ACTION__EJECT;
    body.tag = tag;
    body.action = BULKHEAD__ADMIN_REQUEST__ACTION__DISK;
    body.disk = &change;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST;
    e.admin_request = &body;
    r = channel_send(s.workers[PROCESS_DIAG], &e, &fd, fd >= 0 ? 1 : 0);
    ck_assert_int_eq(r, 0);
    settle();
}

static inline void ask_link(const Bulkhead__LinkChange *change)
{
    Bulkhead__AdminRequest body = BULKHEAD__ADMIN_REQUEST__INIT;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;
    int r;

    body.tag = TAG;
    body.action = BULKHEAD__ADMIN_REQUEST__ACTION__LINK;
    body.link = (Bulkhead__LinkChange *)(uintptr_t)change;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST;
    e.admin_request = &body;
    r = channel_send(s.workers[PROCESS_DIAG], &e, NULL, 0);
    ck_assert_int_eq(r, 0);
    settle();
}

static inline void say_disk_changed(uint32_t tag, const char *error)
{
    Bulkhead__DiskChanged body;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;
    char text[64];

    bulkhead__disk_changed__init(&body);
    (void)snprintf(text, sizeof(text), "%s", error);
    body.tag = tag;
    body.error = text;
    e.body_case = BULKHEAD__ENVELOPE__BODY_DISK_CHANGED;
    e.disk_changed = &body;
    init_says(&e, -1);
}

/* What diag is told; NULL: nothing. */
static inline void expect_reply(uint32_t tag, const char *error)
{
    struct channel_msg m = {0};
    int r;

    do {
        channel_msg_done(&m);
        r = recv(s.workers[PROCESS_DIAG], NULL, 0, MSG_PEEK | MSG_DONTWAIT) < 0
                ? -errno
                : channel_recv(s.workers[PROCESS_DIAG], &m);
    } while (r == 0 && m.envelope->body_case != BULKHEAD__ENVELOPE__BODY_ADMIN_REPLY);
    if (error == NULL) {
        ck_assert_int_eq(r, -EAGAIN);
        return;
    }
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(m.envelope->admin_reply->tag, tag);
    ck_assert_str_eq(m.envelope->admin_reply->error, error);
    channel_msg_done(&m);
}

/* --- what the supervisor asks of init, in order --- */

static inline struct channel_msg next(Bulkhead__Envelope__BodyCase type)
{
    struct channel_msg m = {0};
    int r = channel_recv(s.init, &m);

    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(m.envelope->body_case, type);
    return m;
}

static inline void expect_nothing(void)
{
    struct channel_msg m = {0};

    ck_assert_int_eq(channel_recv(s.init, &m), -EAGAIN);
}

static inline void expect_spawn(uint32_t process, uint32_t generation, bool has_binary)
{
    struct channel_msg m = next(BULKHEAD__ENVELOPE__BODY_SPAWN);

    ck_assert_uint_eq(m.envelope->spawn->process, process);
    ck_assert_uint_eq(m.envelope->spawn->generation, generation);
    ck_assert_int_eq(m.envelope->spawn->has_binary, has_binary);
    ck_assert_uint_eq(m.n_fds, has_binary ? 1 : 0);
    channel_msg_done(&m);
}

static inline void expect_disk_change(uint32_t tag, unsigned n_fds)
{
    struct channel_msg m = next(BULKHEAD__ENVELOPE__BODY_DISK_CHANGE);

    ck_assert_uint_eq(m.envelope->disk_change->tag, tag);
    ck_assert_int_eq(m.envelope->disk_change->action, BULKHEAD__DISK_CHANGE__ACTION__EJECT);
    ck_assert_uint_eq(m.n_fds, n_fds);
    channel_msg_done(&m);
}

static inline void expect_kill(uint32_t process, uint32_t generation)
{
    struct channel_msg m = next(BULKHEAD__ENVELOPE__BODY_KILL);

    ck_assert_uint_eq(m.envelope->kill->process, process);
    ck_assert_uint_eq(m.envelope->kill->generation, generation);
    channel_msg_done(&m);
}

static inline void expect_verify(uint32_t process, uint32_t generation)
{
    struct channel_msg m = next(BULKHEAD__ENVELOPE__BODY_VERIFY);

    ck_assert_uint_eq(m.envelope->verify->process, process);
    ck_assert_uint_eq(m.envelope->verify->generation, generation);
    channel_msg_done(&m);
}

/* Is the newest generation told that the device is its own? */
static inline bool is_activated(uint32_t process)
{
    struct channel_msg m = {0};
    bool activated;

    if (channel_recv(s.workers[process], &m) < 0)
        return false;
    activated = m.envelope->body_case == BULKHEAD__ENVELOPE__BODY_ACTIVATE;
    channel_msg_done(&m);
    return activated;
}

/* From asked for to asked to be looked at. */
static inline void come_up(uint32_t process, uint32_t generation)
{
    say_spawned(process, generation);
    say_ready(process, generation);
    expect_verify(process, generation);
}

static inline void bring_up(uint32_t process, uint32_t generation)
{
    come_up(process, generation);
    say_verified(process, generation);
    ck_assert(is_activated(process));
}

static inline struct registry_row *row(enum process process)
{
    return &s.reg.rows[process];
}

/* --- the stage --- */

static const uint32_t workers[] = {PROCESS_CHIPSET, PROCESS_VTPM, PROCESS_VMBUS,
                                   PROCESS_STORAGE, PROCESS_NET,  PROCESS_DIAG};

/* Of a VM with neither disk nor NIC. */
static const uint32_t fewest[] = {PROCESS_CHIPSET, PROCESS_VTPM, PROCESS_VMBUS, PROCESS_DIAG};

/* libevent takes its own descriptors above: 3 is the control channel's. */
static inline void begin_without(uint32_t idle)
{
    static const struct registry_callbacks callbacks = {
        .all_running = on_all_running, .cannot_start = on_cannot_start, .lost_init = on_lost_init};
    int pair[2];
    int r = channel_pair(pair);

    ck_assert_int_eq(r, 0);
    s.init = pair[0];
    ck_assert_int_eq(dup2(pair[1], FD_CONTROL), FD_CONTROL);
    (void)close(pair[1]);
    for (size_t i = 0; i < COUNT_OF(s.workers); i++)
        s.workers[i] = -1;
    board_attach(&s.board, &board_page, 1);
    board_take_rows(&s.board);
    port_client_init(&s.port, &port_page, -1);
    s.reg.rows[PROCESS_VTPM].port = &s.port;
    for (unsigned p = 0; p < PROCESS_COUNT; p++)
        s.reg.rows[p].idle = (idle & 1u << p) != 0;
    s.base = event_base_new();
    r = registry_init(&s.reg, s.base, &s.board, &callbacks);
    ck_assert_int_eq(r, 0);
    r = registry_start(&s.reg);
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(event_del(s.reg.ticker), 0); /* time passes when a test says so */
}

static inline void begin(void)
{
    begin_without(1u << PROCESS_DEBUG); /* nobody debugs */
    for (size_t i = 0; i < COUNT_OF(workers); i++)
        expect_spawn(workers[i], 1, false);
}

/* Neither disk nor NIC; all else runs. */
static inline void begin_idle(void)
{
    begin_without(1u << PROCESS_STORAGE | 1u << PROCESS_NET | 1u << PROCESS_DEBUG);
    for (size_t i = 0; i < COUNT_OF(fewest); i++)
        expect_spawn(fewest[i], 1, false);
    expect_nothing();
    for (size_t i = 0; i < COUNT_OF(fewest); i++)
        bring_up(fewest[i], 1);
    ck_assert_uint_eq(s.n_running, 1);
}

static inline void begin_running(void)
{
    begin();
    for (size_t i = 0; i < COUNT_OF(workers); i++)
        bring_up(workers[i], 1);
    ck_assert_uint_eq(s.n_running, 1);
}

/* A spare of the vtpm, spawned and ready; init was asked to look at it and has not answered. */
static inline void begin_with_spare(void)
{
    begin_running();
    lifecycle_tick(&s.reg, clock_now_ns() + NS_PER_S);
    expect_spawn(PROCESS_VTPM, 2, false);
    come_up(PROCESS_VTPM, 2);
}

/* Time passes, and ticks come in time. */
static inline uint64_t pass(uint64_t from_ns, uint64_t for_ns)
{
    for (uint64_t t = 0; t < for_ns; t += WATCH_TICK_MS * NS_PER_MS)
        watch_tick(&s.reg, from_ns + t);
    return from_ns + for_ns;
}

/* What main() returns. Descriptor 3 is for the control channel: what check opens for itself comes above. */
static inline int registry_case_run(const char *name, const TTest *const *tests, size_t n)
{
    Suite *suite = suite_create(name);
    TCase *c = tcase_create(name);
    SRunner *r;
    int failed;

    if (dup2(STDIN_FILENO, FD_CONTROL) != FD_CONTROL)
        return EXIT_FAILURE;
    for (size_t i = 0; i < n; i++)
        tcase_add_test(c, tests[i]);
    suite_add_tcase(suite, c);
    r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
