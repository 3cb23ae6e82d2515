/*
 * tests/attack/hostile_supervisor.c - the supervisor was taken over and asks init for what it
 * must not get.
 *
 * init's real request handling in this process, the hostile end of the control channel beside it.
 * Each wrong request must end the VM with a reason, and start, stop or reveal nothing.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/vm.h"
#include "ipc/channel.h"

static const char *evil_program; /* takes the place of every program */
static struct vm *vm;
static int hostile = -1; /* the supervisor's end */
static char dir[32];

static char *copy_of(const char *text)
{
    char *copy = strdup(text);

    ck_assert_ptr_nonnull(copy);
    return copy;
}

static Bulkhead__VmConfig *make_config(void)
{
    static char empty[] = "";
    static Bulkhead__VmConfig c;

    bulkhead__vm_config__init(&c);
    c.vcpus = 1;
    c.memory_bytes = 16 << 20;
    c.kernel_path = copy_of("/dev/null");
    c.initrd_path = empty;
    c.programs_dir = dir;
    c.operator_socket = copy_of("/tmp/bulkhead-hostile.sock");
    c.vtl2_script = empty;
    return &c;
}

static void link_programs(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/hostile.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    for (size_t i = PROCESS_INIT + 1; i < PROCESS_COUNT; i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", dir, manifest[i].program);
        ck_assert_int_eq(symlink(evil_program, path), 0);
    }
}

static void unlink_programs(void)
{
    for (size_t i = PROCESS_INIT + 1; i < PROCESS_COUNT; i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", dir, manifest[i].program);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

/* All that init has, but for the supervisor itself: we are it. */
static void begin(void)
{
    int coms[COM_COUNT] = {-1, -1, -1, -1};
    struct why why = {0};
    int pair[2];
    int r;

    link_programs();
    vm = vm_new();
    ck_assert_ptr_nonnull(vm);
    vm->base = event_base_new();
    vm->procs.base = vm->base;
    for (int i = 0; i < COM_COUNT; i++)
        coms[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
    vm->config = make_config();
    if (access("/dev/kvm", R_OK | W_OK) < 0)
        vm->objects.fds[OBJECT_KVM][0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    r = objects_make(&vm->objects, vm->config, coms, &why);
    ck_assert_msg(r == 0, "%s", why.text);
    r = procs_open(&vm->procs, vm->config, false, &why);
    ck_assert_msg(r == 0, "%s", why.text);
    r = channel_pair(pair);
    ck_assert_int_eq(r, 0);
    vm->control_fd = pair[0];
    hostile = pair[1];
}

static void end(void)
{
    free(vm->config->kernel_path);
    free(vm->config->operator_socket);
    vm->config = NULL; /* not from the heap */
    vm_done(vm, NULL);
    fd_closep(&hostile);
    unlink_programs();
}

/* --- saying things --- */

static void say(const Bulkhead__Envelope *e, unsigned n_fds)
{
    int fds[CHANNEL_MAX_FDS] = {0};
    int r = channel_send(hostile, e, fds, n_fds);

    ck_assert_int_eq(r, 0);
    control_read(vm);
}

static void say_spawn(uint32_t process, uint32_t generation, bool has_binary, unsigned n_fds)
{
    Bulkhead__Spawn body;
    Bulkhead__Envelope e;

    bulkhead__spawn__init(&body);
    bulkhead__envelope__init(&e);
    body.process = process;
    body.generation = generation;
    body.has_binary = has_binary;
    e.body_case = BULKHEAD__ENVELOPE__BODY_SPAWN;
    e.spawn = &body;
    say(&e, n_fds);
}

static void say_verify(uint32_t process, uint32_t generation)
{
    Bulkhead__Verify body;
    Bulkhead__Envelope e;

    bulkhead__verify__init(&body);
    bulkhead__envelope__init(&e);
    body.process = process;
    body.generation = generation;
    e.body_case = BULKHEAD__ENVELOPE__BODY_VERIFY;
    e.verify = &body;
    say(&e, 0);
}

static void say_kill(uint32_t process, uint32_t generation)
{
    Bulkhead__Kill body;
    Bulkhead__Envelope e;

    bulkhead__kill__init(&body);
    bulkhead__envelope__init(&e);
    body.process = process;
    body.generation = generation;
    e.body_case = BULKHEAD__ENVELOPE__BODY_KILL;
    e.kill = &body;
    say(&e, 0);
}

static void say_place(uint32_t process, uint32_t generation, uint32_t cpu)
{
    Bulkhead__Place body;
    Bulkhead__Envelope e;

    bulkhead__place__init(&body);
    bulkhead__envelope__init(&e);
    body.process = process;
    body.generation = generation;
    body.cpu = cpu;
    e.body_case = BULKHEAD__ENVELOPE__BODY_PLACE;
    e.place = &body;
    say(&e, 0);
}

static unsigned count_processes(void)
{
    unsigned n = 0;

    for (size_t i = 0; i < PROC_SLOTS; i++)
        n += vm->procs.slots[i].state == PROC_FREE ? 0 : 1;
    return n;
}

static void expect_refused(void)
{
    ck_assert_msg(vm->over, "init went on");
    ck_assert_int_eq(vm->how, BULKHEAD__GUEST_END__GUEST_END_INTERNAL);
    ck_assert_ptr_nonnull(strstr(vm->text, "broke the protocol"));
}

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
    tcase_add_loop_test(c, messages_that_init_sends_are_not_taken_back, 0, 3);
    tcase_add_test(c, it_is_not_started_before_it_runs);
    tcase_add_test(c, bytes_that_are_no_message_are_refused);
    tcase_add_test(c, a_message_too_long_is_refused);
    tcase_add_test(c, an_end_that_does_not_exist_is_refused);
    tcase_add_test(c, an_end_has_no_control_characters_and_is_short);
    tcase_add_test(c, one_that_does_not_listen_is_ended);
    tcase_add_test(c, a_closed_channel_is_waited_out);
    return c;
}

int main(int argc, char **argv)
{
    Suite *s = suite_create("hostile_supervisor");
    SRunner *r;
    int failed;

    if (argc != 2 || geteuid() != 0)
        return 77; /* meson: skipped */
    evil_program = realpath(argv[1], NULL);
    if (evil_program == NULL)
        return 2;
    suite_add_tcase(s, make_case());
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
