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
static struct nets_page nets;

static void on_all_running(void *self)
{
    (void)self;
    s.n_running++;
}

static void on_cannot_start(void *self, const char *text)
{
    (void)self;
    ck_abort_msg("cannot start: %s", text);
}

static void on_lost_init(void *self)
{
    (void)self;
    ck_abort_msg("lost init");
}

/* --- init, and the workers that it would have started --- */

static void settle(void)
{
    (void)event_base_loop(s.base, EVLOOP_NONBLOCK);
}

static void init_says(const Bulkhead__Envelope *e, int fd)
{
    int r = channel_send(s.init, e, &fd, fd >= 0 ? 1 : 0);

    ck_assert_int_eq(r, 0);
    settle();
}

static void say_spawned(uint32_t process, uint32_t generation)
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

static void say_verified(uint32_t process, uint32_t generation)
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

static void say_died(uint32_t process, uint32_t generation, int status, bool out_of_memory)
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

static void say_ready(uint32_t process, uint32_t generation)
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

static void ask_restart(uint32_t process)
{
    Bulkhead__AdminRequest body = BULKHEAD__ADMIN_REQUEST__INIT;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;
    int r;

    body.tag = TAG;
    body.process = process;
    body.action = BULKHEAD__ADMIN_REQUEST__ACTION__RESTART;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST;
    e.admin_request = &body;
    r = channel_send(s.workers[PROCESS_DIAG], &e, NULL, 0);
    ck_assert_int_eq(r, 0);
    settle();
}

static void ask_disk(uint32_t tag, int fd)
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

static void ask_link(const Bulkhead__LinkChange *change)
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

static void say_disk_changed(uint32_t tag, const char *error)
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
static void expect_reply(uint32_t tag, const char *error)
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

static struct channel_msg next(Bulkhead__Envelope__BodyCase type)
{
    struct channel_msg m = {0};
    int r = channel_recv(s.init, &m);

    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(m.envelope->body_case, type);
    return m;
}

static void expect_nothing(void)
{
    struct channel_msg m = {0};

    ck_assert_int_eq(channel_recv(s.init, &m), -EAGAIN);
}

static void expect_spawn(uint32_t process, uint32_t generation, bool has_binary)
{
    struct channel_msg m = next(BULKHEAD__ENVELOPE__BODY_SPAWN);

    ck_assert_uint_eq(m.envelope->spawn->process, process);
    ck_assert_uint_eq(m.envelope->spawn->generation, generation);
    ck_assert_int_eq(m.envelope->spawn->has_binary, has_binary);
    ck_assert_uint_eq(m.n_fds, has_binary ? 1 : 0);
    channel_msg_done(&m);
}

static void expect_disk_change(uint32_t tag, unsigned n_fds)
{
    struct channel_msg m = next(BULKHEAD__ENVELOPE__BODY_DISK_CHANGE);

    ck_assert_uint_eq(m.envelope->disk_change->tag, tag);
    ck_assert_int_eq(m.envelope->disk_change->action, BULKHEAD__DISK_CHANGE__ACTION__EJECT);
    ck_assert_uint_eq(m.n_fds, n_fds);
    channel_msg_done(&m);
}

static void expect_kill(uint32_t process, uint32_t generation)
{
    struct channel_msg m = next(BULKHEAD__ENVELOPE__BODY_KILL);

    ck_assert_uint_eq(m.envelope->kill->process, process);
    ck_assert_uint_eq(m.envelope->kill->generation, generation);
    channel_msg_done(&m);
}

static void expect_verify(uint32_t process, uint32_t generation)
{
    struct channel_msg m = next(BULKHEAD__ENVELOPE__BODY_VERIFY);

    ck_assert_uint_eq(m.envelope->verify->process, process);
    ck_assert_uint_eq(m.envelope->verify->generation, generation);
    channel_msg_done(&m);
}

/* Is the newest generation told that the device is its own? */
static bool is_activated(uint32_t process)
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
static void come_up(uint32_t process, uint32_t generation)
{
    say_spawned(process, generation);
    say_ready(process, generation);
    expect_verify(process, generation);
}

static void bring_up(uint32_t process, uint32_t generation)
{
    come_up(process, generation);
    say_verified(process, generation);
    ck_assert(is_activated(process));
}

static struct registry_row *row(enum process process)
{
    return &s.reg.rows[process];
}

/* --- the stage --- */

static const uint32_t workers[] = {PROCESS_CHIPSET, PROCESS_VTPM, PROCESS_VMBUS,
                                   PROCESS_STORAGE, PROCESS_NET,  PROCESS_DIAG};

/* libevent takes its own descriptors above: 3 is the control channel's. */
static void begin(void)
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
    s.base = event_base_new();
    r = registry_init(&s.reg, s.base, &s.board, &callbacks);
    ck_assert_int_eq(r, 0);
    r = registry_start(&s.reg);
    ck_assert_int_eq(r, 0);
    for (size_t i = 0; i < COUNT_OF(workers); i++)
        expect_spawn(workers[i], 1, false);
}

static void begin_running(void)
{
    begin();
    for (size_t i = 0; i < COUNT_OF(workers); i++)
        bring_up(workers[i], 1);
    ck_assert_uint_eq(s.n_running, 1);
}

/* A spare of the vtpm, spawned and ready; init was asked to look at it and has not answered. */
static void begin_with_spare(void)
{
    begin_running();
    lifecycle_tick(&s.reg, clock_now_ns() + NS_PER_S);
    expect_spawn(PROCESS_VTPM, 2, false);
    come_up(PROCESS_VTPM, 2);
}

/* --- --- */

START_TEST(a_spare_takes_over)
{
    begin_with_spare();
    say_verified(PROCESS_VTPM, 2);
    ck_assert(!is_activated(PROCESS_VTPM));
    say_died(PROCESS_VTPM, 1, STATUS_KILLED, false);
    ck_assert(is_activated(PROCESS_VTPM));
    ck_assert_uint_eq(row(PROCESS_VTPM)->live.number, 2);
    expect_nothing();
}
END_TEST

static void replace_vtpm(int binary)
{
    const struct waiting_admin nobody = {0};

    lifecycle_replace(&s.reg, PROCESS_VTPM, binary, &nobody);
}

/* The spare makes room for the new program; that it was in order does not matter any more. */
START_TEST(a_killed_spare_that_was_in_order_replaces_nobody)
{
    int binary = open("/dev/null", O_RDONLY | O_CLOEXEC);

    begin_with_spare();
    replace_vtpm(binary);
    expect_kill(PROCESS_VTPM, 2);
    say_verified(PROCESS_VTPM, 2);
    expect_nothing(); /* the first one serves on until the new program is ready */
    say_died(PROCESS_VTPM, 2, STATUS_KILLED, false);
    expect_spawn(PROCESS_VTPM, 3, true);
    come_up(PROCESS_VTPM, 3);
    expect_nothing();
    say_verified(PROCESS_VTPM, 3);
    expect_kill(PROCESS_VTPM, 1);
    say_died(PROCESS_VTPM, 1, STATUS_KILLED, false);
    ck_assert(is_activated(PROCESS_VTPM));
    ck_assert_int_eq(row(PROCESS_VTPM)->binary, binary);
}
END_TEST

START_TEST(a_killed_spare_is_not_promoted)
{
    int binary = open("/dev/null", O_RDONLY | O_CLOEXEC);

    begin_with_spare();
    replace_vtpm(binary);
    expect_kill(PROCESS_VTPM, 2);
    say_died(PROCESS_VTPM, 1, STATUS_KILLED, false);
    say_verified(PROCESS_VTPM, 2);
    ck_assert(!is_activated(PROCESS_VTPM));
    ck_assert_int_eq(row(PROCESS_VTPM)->binary, -1); /* the new program has not served yet */
    say_died(PROCESS_VTPM, 2, STATUS_KILLED, false);
    expect_spawn(PROCESS_VTPM, 3, true);
    bring_up(PROCESS_VTPM, 3);
    ck_assert_int_eq(row(PROCESS_VTPM)->binary, binary);
}
END_TEST

/* A worker that has frames in its hands, with a spare in order, is to be replaced. */
static void ask_net_to_leave(void)
{
    const struct waiting_admin nobody = {0};

    begin_running();
    row(PROCESS_NET)->port = row(PROCESS_VTPM)->port;
    row(PROCESS_VTPM)->port = NULL;
    lifecycle_tick(&s.reg, clock_now_ns() + NS_PER_S);
    expect_spawn(PROCESS_NET, 2, false);
    come_up(PROCESS_NET, 2);
    say_verified(PROCESS_NET, 2);
    lifecycle_replace(&s.reg, PROCESS_NET, -1, &nobody);
    ck_assert_uint_eq(port_page.leaving, 1);
    expect_nothing(); /* it is not killed */
}

START_TEST(who_leaves_when_asked_was_replaced)
{
    ask_net_to_leave();
    say_died(PROCESS_NET, 1, 0, false);
    ck_assert(is_activated(PROCESS_NET));
    ck_assert_uint_eq(row(PROCESS_NET)->live.number, 2);
    ck_assert_uint_eq(row(PROCESS_NET)->health.n_faults, 0);
}
END_TEST

START_TEST(who_does_not_leave_is_killed)
{
    ask_net_to_leave();
    lifecycle_tick(&s.reg, clock_now_ns() + 50 * NS_PER_MS);
    expect_kill(PROCESS_NET, 1);
    say_died(PROCESS_NET, 1, STATUS_KILLED, false);
    ck_assert(is_activated(PROCESS_NET));
    ck_assert_uint_eq(row(PROCESS_NET)->health.n_faults, 0);
}
END_TEST

START_TEST(who_crashes_when_asked_to_leave_has_crashed)
{
    ask_net_to_leave();
    say_died(PROCESS_NET, 1, SIGSEGV, false);
    ck_assert_uint_eq(row(PROCESS_NET)->health.n_faults, 1);
}
END_TEST

/* --- what a generation may say, and when --- */

START_TEST(who_was_not_looked_at_asks_for_nothing)
{
    begin_running();
    say_died(PROCESS_DIAG, 1, STATUS_KILLED, false);
    expect_spawn(PROCESS_DIAG, 2, false);
    come_up(PROCESS_DIAG, 2);
    ask_restart(PROCESS_CHIPSET);
    expect_kill(PROCESS_DIAG, 2);
    expect_nothing();
}
END_TEST

START_TEST(who_is_to_die_asks_for_nothing)
{
    begin_running();
    lifecycle_kill(&s.reg, &row(PROCESS_DIAG)->live, DEATH_SANDBOX);
    expect_kill(PROCESS_DIAG, 1);
    ask_restart(PROCESS_CHIPSET);
    expect_nothing();
    ck_assert_int_eq(row(PROCESS_DIAG)->live.cause, DEATH_SANDBOX);
}
END_TEST

START_TEST(diag_that_serves_asks_for_a_restart)
{
    begin_running();
    ask_restart(PROCESS_CHIPSET);
    expect_spawn(PROCESS_CHIPSET, 2, false);
    expect_nothing();
}
END_TEST

START_TEST(a_change_of_a_disk_is_inits_and_answered)
{
    begin_running();
    ask_disk(TAG, STDIN_FILENO);
    expect_disk_change(TAG, 1);
    ask_disk(TAG + 1, -1);
    expect_nothing();
    expect_reply(TAG + 1, "another change of a disk is on its way");
    say_disk_changed(TAG, "it is no dvd drive");
    expect_reply(TAG, "it is no dvd drive");
    ask_disk(TAG + 2, -1);
    expect_disk_change(TAG + 2, 0);
    say_disk_changed(TAG + 2, "");
    expect_reply(TAG + 2, "");
    expect_nothing();
}
END_TEST

START_TEST(a_link_is_set_and_net_is_rung)
{
    Bulkhead__LinkChange change = BULKHEAD__LINK_CHANGE__INIT;
    uint64_t rings;

    begin_running();
    nets.rows[1].kind = NET_TAP;
    nets.rows[1].link_up = 1;
    links_init(&s.reg.links, &s.board, &nets, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    change.nic = 1;
    ask_link(&change);
    expect_reply(TAG, "");
    ck_assert_uint_eq(nets.rows[1].link_up, 0);
    ck_assert_str_eq(s.reg.links.shown[1]->text, "down");
    ck_assert_int_eq(read(s.reg.links.bell_fd, &rings, sizeof(rings)), sizeof(rings));
    change.up = true;
    ask_link(&change);
    expect_reply(TAG, "");
    ck_assert_uint_eq(nets.rows[1].link_up, 1);
    ck_assert_str_eq(s.reg.links.shown[1]->text, "up");
    expect_nothing();
}
END_TEST

START_TEST(a_link_of_no_nic_is_refused)
{
    static const char none[] =
        "no NIC of that number: `bulkhead inspect net` shows which there are";
    Bulkhead__LinkChange change = BULKHEAD__LINK_CHANGE__INIT;

    begin_running();
    links_init(&s.reg.links, &s.board, &nets, -1);
    ask_link(NULL);
    expect_reply(TAG, "no NIC named");
    change.up = true;
    ask_link(&change);
    expect_reply(TAG, none);
    ck_assert_uint_eq(nets.rows[0].link_up, 0);
    change.nic = UINT32_MAX;
    ask_link(&change);
    expect_reply(TAG, none);
}
END_TEST

/* Its tags are its own: a successor may use them again. */
START_TEST(another_diag_does_not_hear_what_a_dead_one_asked)
{
    begin_running();
    ask_disk(TAG, -1);
    expect_disk_change(TAG, 0);
    say_died(PROCESS_DIAG, 1, STATUS_KILLED, false);
    expect_spawn(PROCESS_DIAG, 2, false);
    bring_up(PROCESS_DIAG, 2);
    say_disk_changed(TAG, "");
    expect_reply(TAG, NULL);
    ask_disk(TAG, -1);
    expect_disk_change(TAG, 0);
}
END_TEST

START_TEST(init_says_nothing_of_disks_unasked)
{
    Bulkhead__DiskChanged changed;

    bulkhead__disk_changed__init(&changed);
    begin_running();
    ck_assert_int_eq(admin_disk_changed(&s.reg, &changed), -EPROTO);
    ask_disk(TAG, -1);
    changed.tag = TAG + 1;
    ck_assert_int_eq(admin_disk_changed(&s.reg, &changed), -EPROTO);
}
END_TEST

START_TEST(other_workers_ask_for_nothing)
{
    begin_running();
    fd_closep(&s.workers[PROCESS_DIAG]);
    s.workers[PROCESS_DIAG] = fd_steal(&s.workers[PROCESS_CHIPSET]);
    ask_restart(PROCESS_VTPM);
    expect_kill(PROCESS_CHIPSET, 1);
    expect_nothing();
}
END_TEST

START_TEST(who_is_never_ready_is_killed)
{
    begin();
    say_spawned(PROCESS_CHIPSET, 1);
    lifecycle_tick(&s.reg, clock_now_ns() + 29 * NS_PER_S);
    expect_nothing();
    lifecycle_tick(&s.reg, clock_now_ns() + 31 * NS_PER_S);
    expect_kill(PROCESS_CHIPSET, 1);
}
END_TEST

START_TEST(who_closes_its_channel_and_lives_is_killed)
{
    begin_running();
    fd_closep(&s.workers[PROCESS_CHIPSET]);
    settle();
    lifecycle_tick(&s.reg, clock_now_ns() + NS_PER_S);
    expect_spawn(PROCESS_VTPM, 2, false); /* a spare, by the way */
    expect_nothing();
    lifecycle_tick(&s.reg, clock_now_ns() + 3 * NS_PER_S);
    expect_kill(PROCESS_CHIPSET, 1);
}
END_TEST

/* --- hangs --- */

/* Time passes, and ticks come every 100 ms of it. */
static uint64_t pass(uint64_t from_ns, uint64_t for_ns)
{
    for (uint64_t t = 0; t < for_ns; t += 100 * NS_PER_MS)
        watch_tick(&s.reg, from_ns + t);
    return from_ns + for_ns;
}

/* A request that the vtpm does not answer; it gives no sign of life either. */
static uint64_t begin_hang(void)
{
    const struct port_request rq = {.addr = 0xfed4004c, .data = 1, .op = PORT_WRITE, .size = 4};

    begin_running();
    port_post(&s.port, 0, &rq);
    return clock_now_ns();
}

START_TEST(who_hangs_is_killed)
{
    uint64_t limit_ns = manifest[PROCESS_VTPM].deadline_ms * NS_PER_MS;
    uint64_t now = pass(begin_hang(), limit_ns - NS_PER_S);

    expect_nothing();
    (void)pass(now, 2 * NS_PER_S);
    expect_kill(PROCESS_VTPM, 1);
}
END_TEST

START_TEST(nobody_is_blamed_for_the_time_in_which_we_were_stopped)
{
    uint64_t limit_ns = manifest[PROCESS_VTPM].deadline_ms * NS_PER_MS;
    uint64_t now = pass(begin_hang(), NS_PER_S);

    now = pass(now + 60 * NS_PER_S, limit_ns - NS_PER_S);
    expect_nothing();
    (void)pass(now, 2 * NS_PER_S);
    expect_kill(PROCESS_VTPM, 1);
}
END_TEST

/* --- deaths --- */

/* No spare is made in between: each death is followed by a start. */
static void die_of(uint32_t process, int status, bool out_of_memory, unsigned times)
{
    for (uint32_t number = 1; number <= times; number++) {
        say_died(process, number, status, out_of_memory);
        lifecycle_tick(&s.reg, row(process)->retry_ns);
        expect_spawn(process, number + 1, false);
        bring_up(process, number + 1);
    }
}

START_TEST(kills_from_outside_never_park)
{
    begin_running();
    die_of(PROCESS_VTPM, STATUS_KILLED, false, 30);
    ck_assert_int_eq(row(PROCESS_VTPM)->state, ROW_RUNNING);
}
END_TEST

START_TEST(exits_park)
{
    begin_running();
    die_of(PROCESS_VTPM, STATUS_EXIT_1, false, HEALTH_BURST_FAULTS + 1);
    ck_assert_int_eq(row(PROCESS_VTPM)->state, ROW_PARKED);
}
END_TEST

/* The kernel's SIGKILL for a full cgroup is the worker's own doing, unlike any other. */
START_TEST(taking_too_much_memory_parks)
{
    begin_running();
    die_of(PROCESS_VTPM, STATUS_KILLED, true, HEALTH_BURST_FAULTS + 1);
    ck_assert_int_eq(row(PROCESS_VTPM)->state, ROW_PARKED);
    ck_assert_ptr_nonnull(strstr(row(PROCESS_VTPM)->shown.last_death->text, "out of memory"));
}
END_TEST

/* Parked or dead, it could never be revived: operators come through it. */
START_TEST(diag_comes_back_for_ever)
{
    begin_running();
    s.reg.rows[PROCESS_VTPM].port = NULL; /* no spares by the way */
    die_of(PROCESS_DIAG, STATUS_EXIT_1, false, 3 * HEALTH_BURST_FAULTS);
    ck_assert_int_eq(row(PROCESS_DIAG)->state, ROW_RUNNING);
    say_died(PROCESS_DIAG, 3 * HEALTH_BURST_FAULTS + 1, STATUS_EXIT_1, false);
    ck_assert_int_eq(row(PROCESS_DIAG)->state, ROW_RESTARTING);
    ck_assert_uint_gt(row(PROCESS_DIAG)->retry_ns, clock_now_ns() + HEALTH_BACKOFF_MAX_NS / 2);
}
END_TEST

/* What we killed ourselves did not die of memory, whatever the cgroup says. */
START_TEST(a_planned_death_stays_planned)
{
    begin_running();
    lifecycle_kill(&s.reg, &row(PROCESS_DIAG)->live, DEATH_PLANNED);
    expect_kill(PROCESS_DIAG, 1);
    say_died(PROCESS_DIAG, 1, STATUS_KILLED, true);
    expect_spawn(PROCESS_DIAG, 2, false);
    ck_assert_uint_eq(row(PROCESS_DIAG)->health.n_faults, 0);
}
END_TEST

static TCase *make_case(void)
{
    TCase *c = tcase_create("registry");

    tcase_add_test(c, a_spare_takes_over);
    tcase_add_test(c, a_killed_spare_that_was_in_order_replaces_nobody);
    tcase_add_test(c, who_leaves_when_asked_was_replaced);
    tcase_add_test(c, who_does_not_leave_is_killed);
    tcase_add_test(c, who_crashes_when_asked_to_leave_has_crashed);
    tcase_add_test(c, a_killed_spare_is_not_promoted);
    tcase_add_test(c, who_was_not_looked_at_asks_for_nothing);
    tcase_add_test(c, who_is_to_die_asks_for_nothing);
    tcase_add_test(c, diag_that_serves_asks_for_a_restart);
    tcase_add_test(c, a_change_of_a_disk_is_inits_and_answered);
    tcase_add_test(c, a_link_is_set_and_net_is_rung);
    tcase_add_test(c, a_link_of_no_nic_is_refused);
    tcase_add_test(c, another_diag_does_not_hear_what_a_dead_one_asked);
    tcase_add_test(c, init_says_nothing_of_disks_unasked);
    tcase_add_test(c, other_workers_ask_for_nothing);
    tcase_add_test(c, who_is_never_ready_is_killed);
    tcase_add_test(c, who_closes_its_channel_and_lives_is_killed);
    tcase_add_test(c, who_hangs_is_killed);
    tcase_add_test(c, nobody_is_blamed_for_the_time_in_which_we_were_stopped);
    tcase_add_test(c, kills_from_outside_never_park);
    tcase_add_test(c, exits_park);
    tcase_add_test(c, taking_too_much_memory_parks);
    tcase_add_test(c, diag_comes_back_for_ever);
    tcase_add_test(c, a_planned_death_stays_planned);
    return c;
}

/* Descriptor 3 is for the control channel: what check opens for itself comes above. */
int main(void)
{
    Suite *suite = suite_create("registry");
    SRunner *r;
    int failed;

    if (dup2(STDIN_FILENO, FD_CONTROL) != FD_CONTROL)
        return EXIT_FAILURE;
    suite_add_tcase(suite, make_case());
    r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
