/*
 * tests/attack/hostile_supervisor.c - the supervisor was taken over and asks init for what it
 * must not get.
 *
 * init's real request handling in this process, the hostile end of the control channel beside it.
 * Each wrong request must end the VM with a reason, and start, stop or reveal nothing.
 */
#include <poll.h>
#include <sys/socket.h>

#include "tests/attack/hostile_stage.h"

/* --- asking for processes that it must not have --- */

START_TEST(only_workers_are_spawned)
{
    static const uint32_t wrong[] = {PROCESS_INIT, PROCESS_SUPERVISOR, PROCESS_COUNT,
                                     1000,         UINT32_MAX,         1u << 31};

    say_spawn(wrong[_i], 1, false, 0);
    expect_refused();
    ck_assert_uint_eq(count_processes(), 0);
}
END_TEST

START_TEST(a_generation_is_new)
{
    say_spawn(PROCESS_VTPM, 0, false, 0);
    expect_refused();
    ck_assert_uint_eq(count_processes(), 0);
}
END_TEST

START_TEST(a_generation_is_not_used_twice)
{
    say_spawn(PROCESS_VTPM, 7, false, 0);
    ck_assert(!vm->over);
    say_spawn(PROCESS_VTPM, 7, false, 0);
    expect_refused();
    ck_assert_uint_eq(count_processes(), 1);
}
END_TEST

START_TEST(there_are_two_generations_at_most)
{
    say_spawn(PROCESS_VTPM, 1, false, 0);
    say_spawn(PROCESS_VTPM, 2, false, 0);
    ck_assert(!vm->over);
    say_spawn(PROCESS_VTPM, 3, false, 0);
    expect_refused();
    ck_assert_uint_eq(count_processes(), 2);
}
END_TEST

START_TEST(a_binary_comes_with_a_descriptor_and_alone)
{
    static const struct {
        bool has_binary;
        unsigned n_fds;
    } wrong[] = {
        {true,  0},
        {true,  2},
        {true,  4},
        {false, 1},
        {false, 4},
    };

    say_spawn(PROCESS_VTPM, 1, wrong[_i].has_binary, wrong[_i].n_fds);
    expect_refused();
    ck_assert_uint_eq(count_processes(), 0);
}
END_TEST

/* Descriptor 0, whatever it is, is no program: that is a failure, not an attack. */
START_TEST(what_is_no_program_does_not_run)
{
    int guard = 1000;

    say_spawn(PROCESS_VTPM, 1, true, 1);
    ck_assert(!vm->over);
    while (count_processes() > 0 && guard-- > 0)
        (void)event_base_loop(vm->base, EVLOOP_ONCE);
    ck_assert_uint_eq(count_processes(), 0);
    ck_assert(!vm->over);
}
END_TEST

START_TEST(nobody_unknown_is_verified)
{
    static const uint32_t wrong[] = {PROCESS_INIT, PROCESS_SUPERVISOR, PROCESS_VTPM, UINT32_MAX};

    say_verify(wrong[_i], 1);
    expect_refused();
}
END_TEST

START_TEST(nobody_unknown_is_killed)
{
    static const uint32_t wrong[] = {PROCESS_INIT, PROCESS_SUPERVISOR, PROCESS_VTPM, UINT32_MAX};

    say_kill(wrong[_i], 1);
    expect_refused();
}
END_TEST

START_TEST(nobody_unknown_is_placed)
{
    static const uint32_t wrong[] = {PROCESS_INIT, PROCESS_SUPERVISOR, PROCESS_VTPM, UINT32_MAX};

    say_place(wrong[_i], 1, 0);
    expect_refused();
}
END_TEST

START_TEST(a_cpu_that_is_not_there_is_only_a_wish)
{
    say_spawn(PROCESS_VTPM, 1, false, 0);
    say_place(PROCESS_VTPM, 1, UINT32_MAX);
    say_place(PROCESS_VTPM, 1, 1023);
    ck_assert(!vm->over);
}
END_TEST

/* --- asking for disks --- */

static uint8_t identity[16];
static char secret[] = "/etc/passwd", socket_name[] = "/tmp/a", *named[] = {secret, socket_name};

static Bulkhead__Disk wish(void)
{
    Bulkhead__Disk d;

    bulkhead__disk__init(&d);
    d.kind = DISK_DISK;
    d.read_only = true;
    d.paths = named;
    d.n_paths = 1;
    d.identity = (ProtobufCBinaryData){sizeof(identity), identity};
    return d;
}

static void say_disk(Bulkhead__DiskChange__Action action, Bulkhead__Disk *disk, unsigned n_fds)
{
    Bulkhead__DiskChange body;
    Bulkhead__Envelope e;

    bulkhead__disk_change__init(&body);
    bulkhead__envelope__init(&e);
    body.action = action;
    body.disk = disk;
    e.body_case = BULKHEAD__ENVELOPE__BODY_DISK_CHANGE;
    e.disk_change = &body;
    say(&e, n_fds);
}

/* An operator's mistake, for all that init knows: answered, and nothing has changed. */
static void expect_no_disk(const char *text)
{
    struct channel_msg m = {0};

    ck_assert(!vm->over);
    ck_assert_uint_eq(vm->disks.page->n_rows, 0);
    ck_assert_int_eq(channel_recv(hostile, &m), 0);
    ck_assert_int_eq(m.envelope->body_case, BULKHEAD__ENVELOPE__BODY_DISK_CHANGED);
    ck_assert_msg(strstr(m.envelope->disk_changed->error, text) != NULL, "%s",
                  m.envelope->disk_changed->error);
    channel_msg_done(&m);
}

START_TEST(it_cannot_have_a_file_opened)
{
    Bulkhead__Disk d = wish();

    say_disk(BULKHEAD__DISK_CHANGE__ACTION__ADD, &d, 0);
    expect_no_disk("its file did not come along");
    d.n_paths = 2;
    d.chunk_bytes = 4096;
    say_disk(BULKHEAD__DISK_CHANGE__ACTION__ADD, &d, 1);
    expect_no_disk("a striped disk");
}
END_TEST

START_TEST(it_cannot_have_memory_taken)
{
    Bulkhead__Disk d = wish();

    d.n_paths = 0;
    d.read_only = false;
    d.format = DISK_RAM;
    d.ram_bytes = UINT64_C(1) << 40;
    say_disk(BULKHEAD__DISK_CHANGE__ACTION__ADD, &d, 0);
    expect_no_disk("a disk in memory");
}
END_TEST

START_TEST(a_change_of_nothing_changes_nothing)
{
    Bulkhead__Disk d = wish();

    say_disk(BULKHEAD__DISK_CHANGE__ACTION__ADD, NULL, 0);
    expect_no_disk("no disk named");
    say_disk((Bulkhead__DiskChange__Action)-1, &d, 0);
    expect_no_disk("no such change");
    d.controller = UINT32_MAX;
    say_disk(BULKHEAD__DISK_CHANGE__ACTION__REMOVE, &d, 0);
    expect_no_disk("controller");
    d.controller = 0;
    d.lun = UINT32_MAX;
    say_disk(BULKHEAD__DISK_CHANGE__ACTION__RESIZE, &d, 0);
    expect_no_disk("lun");
}
END_TEST

START_TEST(one_file_comes_along_at_most)
{
    Bulkhead__Disk d = wish();

    say_disk(BULKHEAD__DISK_CHANGE__ACTION__ADD, &d, 2);
    expect_refused();
}
END_TEST

/* --- saying what only others say --- */

START_TEST(messages_that_init_sends_are_not_taken_back)
{
    static const Bulkhead__Envelope__BodyCase types[] = {
        BULKHEAD__ENVELOPE__BODY_CONFIGURE,
        BULKHEAD__ENVELOPE__BODY_READY,
        BULKHEAD__ENVELOPE__BODY__NOT_SET,
    };
    Bulkhead__Configure configure;
    Bulkhead__Ready ready;
    Bulkhead__Envelope e;

    bulkhead__configure__init(&configure);
    bulkhead__ready__init(&ready);
    bulkhead__envelope__init(&e);
    e.body_case = types[_i];
    if (types[_i] == BULKHEAD__ENVELOPE__BODY_CONFIGURE)
        e.configure = &configure;
    if (types[_i] == BULKHEAD__ENVELOPE__BODY_READY)
        e.ready = &ready;
    if (types[_i] == BULKHEAD__ENVELOPE__BODY__NOT_SET) { /* packs to nothing, so it brings one */
        say(&e, 1);
    } else {
        say(&e, 0);
    }
    expect_refused();
}
END_TEST

START_TEST(it_is_not_started_before_it_runs)
{
    Bulkhead__Started body;
    Bulkhead__Envelope e;

    bulkhead__started__init(&body);
    bulkhead__envelope__init(&e);
    e.body_case = BULKHEAD__ENVELOPE__BODY_STARTED;
    e.started = &body;
    say(&e, 0);
    expect_refused();
}
END_TEST

START_TEST(bytes_that_are_no_message_are_refused)
{
    static const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0xff};

    ck_assert_int_eq(send(hostile, bytes, sizeof(bytes), 0), sizeof(bytes));
    control_read(vm);
    expect_refused();
}
END_TEST

START_TEST(a_message_too_long_is_refused)
{
    static const uint8_t bytes[4 * CHANNEL_MAX_BYTES];

    ck_assert_int_eq(send(hostile, bytes, sizeof(bytes), 0), sizeof(bytes));
    control_read(vm);
    expect_refused();
}
END_TEST

static void say_ended(Bulkhead__GuestEnd how, char *text)
{
    Bulkhead__GuestEnded body;
    Bulkhead__Envelope e;

    bulkhead__guest_ended__init(&body);
    bulkhead__envelope__init(&e);
    body.how = how;
    body.text = text;
    e.body_case = BULKHEAD__ENVELOPE__BODY_GUEST_ENDED;
    e.guest_ended = &body;
    say(&e, 0);
}

START_TEST(an_end_that_does_not_exist_is_refused)
{
    char none[] = "";

    say_ended((Bulkhead__GuestEnd)999, none);
    expect_refused();
}
END_TEST

/* It would be printed on an operator's terminal. */
START_TEST(an_end_has_no_control_characters_and_is_short)
{
    static char text[8000];

    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "\033[2J\r\n", 6);
    say_ended(BULKHEAD__GUEST_END__GUEST_END_PANIC, text);
    ck_assert(vm->over);
    ck_assert_int_eq(vm->how, BULKHEAD__GUEST_END__GUEST_END_PANIC);
    ck_assert_uint_lt(strlen(vm->text), sizeof(vm->text));
    ck_assert_int_eq(strncmp(vm->text, "?[2J??aaa", 9), 0);
}
END_TEST

/* Answers that nobody reads pile up in the socket, and then no further. */
START_TEST(one_that_does_not_listen_is_ended)
{
    say_spawn(PROCESS_VTPM, 1, false, 0);
    for (int i = 0; i < 100000 && !vm->over; i++)
        say_verify(PROCESS_VTPM, 1);
    ck_assert(vm->over);
    ck_assert_ptr_nonnull(strstr(vm->text, "does not listen"));
}
END_TEST

/* --- what happens to a worker --- */

static void await_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    ck_assert_int_eq(poll(&p, 1, 20000), 1);
}

/* It has said so in time; init stood still since. */
START_TEST(one_that_is_ready_is_not_late)
{
    const struct proc *p = &vm->procs.slots[0];

    say_spawn(PROCESS_VTPM, 1, false, 0);
    await_readable(p->jail.say_fd);
    event_active(p->on_say, EV_TIMEOUT, 0);
    (void)event_base_loop(vm->base, EVLOOP_ONCE);
    ck_assert_int_eq(p->state, PROC_EXECING);
}
END_TEST

static Bulkhead__Envelope__BodyCase next_answer(void)
{
    Bulkhead__Envelope__BodyCase what;
    struct channel_msg m = {0};

    ck_assert_int_eq(channel_recv(hostile, &m), 0);
    what = m.envelope->body_case;
    channel_msg_done(&m);
    return what;
}

/* That it died is told; that its jail is not as it must be would be wrong. */
START_TEST(one_that_has_died_is_not_verified)
{
    const struct proc *p = &vm->procs.slots[0];

    say_spawn(PROCESS_VTPM, 1, false, 0);
    while (p->state == PROC_JAILING)
        (void)event_base_loop(vm->base, EVLOOP_ONCE);
    (void)event_del(p->on_death); /* nor is its end heard of yet */
    if (p->on_end != NULL)
        (void)event_del(p->on_end);
    while (p->state == PROC_EXECING)
        (void)event_base_loop(vm->base, EVLOOP_ONCE);
    ck_assert_int_eq(next_answer(), BULKHEAD__ENVELOPE__BODY_SPAWNED);
    jail_kill(&p->jail);
    await_readable(p->jail.pidfd);
    say_verify(PROCESS_VTPM, 1);
    (void)event_add(p->on_death, NULL);
    while (p->state == PROC_LIVE)
        (void)event_base_loop(vm->base, EVLOOP_ONCE);
    ck_assert_int_eq(next_answer(), BULKHEAD__ENVELOPE__BODY_DIED);
}
END_TEST

/* A closed channel alone does not end the VM: the death that follows does. */
START_TEST(a_closed_channel_is_waited_out)
{
    vm->on_control = event_new(vm->base, vm->control_fd, EV_READ, NULL, NULL);
    fd_closep(&hostile);
    control_read(vm);
    ck_assert(!vm->over);
}
END_TEST

static TCase *make_case(void)
{
    TCase *c = tcase_create("hostile_supervisor");

    tcase_add_checked_fixture(c, begin, end);
    tcase_set_timeout(c, 30);
    tcase_add_loop_test(c, only_workers_are_spawned, 0, 6);
    tcase_add_test(c, a_generation_is_new);
    tcase_add_test(c, a_generation_is_not_used_twice);
    tcase_add_test(c, there_are_two_generations_at_most);
    tcase_add_loop_test(c, a_binary_comes_with_a_descriptor_and_alone, 0, 5);
    tcase_add_test(c, what_is_no_program_does_not_run);
    tcase_add_loop_test(c, nobody_unknown_is_verified, 0, 4);
    tcase_add_loop_test(c, nobody_unknown_is_killed, 0, 4);
    tcase_add_loop_test(c, nobody_unknown_is_placed, 0, 4);
    tcase_add_test(c, a_cpu_that_is_not_there_is_only_a_wish);
    tcase_add_test(c, it_cannot_have_a_file_opened);
    tcase_add_test(c, it_cannot_have_memory_taken);
    tcase_add_test(c, a_change_of_nothing_changes_nothing);
    tcase_add_test(c, one_file_comes_along_at_most);
    tcase_add_loop_test(c, messages_that_init_sends_are_not_taken_back, 0, 3);
    tcase_add_test(c, it_is_not_started_before_it_runs);
    tcase_add_test(c, bytes_that_are_no_message_are_refused);
    tcase_add_test(c, a_message_too_long_is_refused);
    tcase_add_test(c, an_end_that_does_not_exist_is_refused);
    tcase_add_test(c, an_end_has_no_control_characters_and_is_short);
    tcase_add_test(c, one_that_does_not_listen_is_ended);
    tcase_add_test(c, one_that_is_ready_is_not_late);
    tcase_add_test(c, one_that_has_died_is_not_verified);
    tcase_add_test(c, a_closed_channel_is_waited_out);
    return c;
}

int main(int argc, char **argv)
{
    return hostile_run(argc, argv, make_case());
}
