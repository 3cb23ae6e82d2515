/*
 * tests/attack/hostile_stage.h - init's real request handling in this process, and the supervisor's
 * end of the control channel in a hostile hand. For tests; needs root.
 */
#pragma once

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/vm.h"
#include "ipc/channel.h"

static const char *evil_program; /* takes the place of every program */
static struct vm *vm;
static int hostile = -1; /* the supervisor's end */
static char dir[32];
static char operator_socket[64]; /* in it */

static inline char *copy_of(const char *text)
{
    char *copy = strdup(text);

    ck_assert_ptr_nonnull(copy);
    return copy;
}

static inline Bulkhead__VmConfig *make_config(void)
{
    static char empty[] = "";
    static Bulkhead__VmConfig c;

    bulkhead__vm_config__init(&c);
    c.vcpus = 1;
    c.memory_bytes = 16 << 20;
    c.kernel_path = copy_of("/dev/null");
    c.initrd_path = empty;
    c.programs_dir = dir;
    c.operator_socket = copy_of(operator_socket);
    c.vtl2_script = empty;
    return &c;
}

static inline void link_programs(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/hostile.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(operator_socket, sizeof(operator_socket), "%s/operator.sock", dir);
    for (size_t i = PROCESS_INIT + 1; i < PROCESS_COUNT; i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", dir, manifest[i].program);
        ck_assert_int_eq(symlink(evil_program, path), 0);
    }
}

static inline void unlink_programs(void)
{
    for (size_t i = PROCESS_INIT + 1; i < PROCESS_COUNT; i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", dir, manifest[i].program);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

/* All that init has, but for the supervisor itself: we are it. */
static inline void begin(void)
{
    int coms[COM_COUNT] = {-1, -1, -1, -1};
    int nets[NETS_MAX] = {-1, -1, -1, -1};
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
    r = objects_make(&vm->objects, vm->config, coms, nets, &why);
    ck_assert_msg(r == 0, "%s", why.text);
    r = disks_open(&vm->disks, &vm->objects, vm->config, &why);
    ck_assert_msg(r == 0, "%s", why.text);
    r = procs_open(&vm->procs, vm->config, false, &why);
    ck_assert_msg(r == 0, "%s", why.text);
    r = channel_pair(pair);
    ck_assert_int_eq(r, 0);
    vm->control_fd = pair[0];
    hostile = pair[1];
}

static inline void end(void)
{
    free(vm->config->kernel_path);
    free(vm->config->operator_socket);
    vm->config = NULL; /* not from the heap */
    vm_done(vm, NULL);
    fd_closep(&hostile);
    unlink_programs();
}

/* --- saying things --- */

static inline void say(const Bulkhead__Envelope *e, unsigned n_fds)
{
    int fds[CHANNEL_MAX_FDS] = {0};
    int r = channel_send(hostile, e, fds, n_fds);

    ck_assert_int_eq(r, 0);
    control_read(vm);
}

static inline void say_spawn(uint32_t process, uint32_t generation, bool has_binary, unsigned n_fds)
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

static inline void say_verify(uint32_t process, uint32_t generation)
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

static inline void say_kill(uint32_t process, uint32_t generation)
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

static inline void say_place(uint32_t process, uint32_t generation, uint32_t cpu)
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

static inline unsigned count_processes(void)
{
    unsigned n = 0;

    for (size_t i = 0; i < PROC_SLOTS; i++)
        n += vm->procs.slots[i].state == PROC_FREE ? 0 : 1;
    return n;
}

static inline void expect_refused(void)
{
    ck_assert_msg(vm->over, "init went on");
    ck_assert_int_eq(vm->how, BULKHEAD__GUEST_END__GUEST_END_INTERNAL);
    ck_assert_ptr_nonnull(strstr(vm->text, "broke the protocol"));
}

/* What main() returns. */
static inline int hostile_run(int argc, char **argv, TCase *c)
{
    Suite *s = suite_create("hostile");
    SRunner *r;
    int failed;

    if (argc != 2 || geteuid() != 0)
        return 77; /* meson: skipped */
    evil_program = realpath(argv[1], NULL);
    if (evil_program == NULL)
        return 2;
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
