/*
 * tests/attack/hostile_frames.c - the supervisor was taken over and sends init what no code of ours
 * would: cut and endless messages, descriptors without number, programs of its own making.
 *
 * Each must end the VM with a reason, or fail; init keeps nothing of it.
 */
#include <dirent.h>
#include <elf.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/attack/hostile_stage.h"

enum {
    MANY_FDS = 253, /* as many as the kernel takes at once */
    SPAWN_BYTES = 6,
};

static unsigned count_descriptors(void)
{
    DIR *at = opendir("/proc/self/fd");
    unsigned n = 0;

    ck_assert_ptr_nonnull(at);
    while (readdir(at) != NULL)
        n++;
    (void)closedir(at);
    return n;
}

static void send_raw(const void *bytes, size_t len, unsigned n_fds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * MANY_FDS)] = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (n_fds > 0) {
        struct cmsghdr *c;

        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds); /* each of them 0 */
    }
    ck_assert_int_eq(sendmsg(hostile, &msg, MSG_NOSIGNAL), (ssize_t)len);
    control_read(vm);
}

/* P01: a good message that is cut is none, or asks for what there is not. */
START_TEST(cut_messages_are_refused)
{
    static const uint8_t spawn[SPAWN_BYTES] = {0x12, 4, 0x08, PROCESS_VTPM, 0x10, 1};

    send_raw(spawn, (size_t)_i, 0);
    expect_refused();
    ck_assert_uint_eq(count_processes(), 0);
}
END_TEST

START_TEST(the_whole_message_is_not)
{
    static const uint8_t spawn[SPAWN_BYTES] = {0x12, 4, 0x08, PROCESS_VTPM, 0x10, 1};

    send_raw(spawn, sizeof(spawn), 0);
    ck_assert(!vm->over);
    ck_assert_uint_eq(count_processes(), 1);
}
END_TEST

/* P02, P03 */
static const struct {
    const char *what;
    uint8_t bytes[16];
    size_t len;
} nonsense[] = {
    {"length 1, nothing there",      {0x12, 1},                                                       2 },
    {"length 2^31 - 1",              {0x12, 0xff, 0xff, 0xff, 0xff, 0x07},                            6 },
    {"length 2^31",                  {0x12, 0x80, 0x80, 0x80, 0x80, 0x08},                            6 },
    {"length 2^32 - 1",              {0x12, 0xff, 0xff, 0xff, 0xff, 0x0f},                            6 },
    {"length 2^63",                  {0x12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1}, 11},
    {"a number of eleven bytes",
     {0x12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1},
     13                                                                                                 },
    {"a body of no length",          {0x12, 0},                                                       2 },
    {"a type that does not exist",   {0xfa, 0x7f, 0},                                                 3 },
    {"a field number that is 0",     {0x02, 0},                                                       2 },
    {"a message as a number",        {0x10, 1},                                                       2 },
    {"a group",                      {0x13, 0x14},                                                    2 },
    {"two messages at once",         {0x12, 4, 0x08, PROCESS_VTPM, 0x10, 1, 0x3a, 0},                 8 },
    {"a process without a number",   {0x12, 2, 0x10, 1},                                              4 },
    {"a process number that is cut", {0x12, 6, 0x08, 0x83, 0x80, 0x80, 0x10, 1},                      8 },
};

START_TEST(nonsense_is_refused)
{
    send_raw(nonsense[_i].bytes, nonsense[_i].len, 0);
    ck_assert_msg(vm->over, "init went on after %s", nonsense[_i].what);
    ck_assert_uint_eq(count_processes(), 0);
}
END_TEST

/* K20: init closes what it did not ask for, however much it is. */
START_TEST(descriptors_are_not_kept)
{
    static const unsigned numbers[] = {1, 2, 4, 5, 8, 9, 64, MANY_FDS};
    static const uint8_t spawn[SPAWN_BYTES] = {0x12, 4, 0x08, PROCESS_VTPM, 0x10, 1};
    static const uint8_t garbage[] = {0xff};
    unsigned before = count_descriptors();
    bool good = _i % 2 == 0;

    send_raw(good ? spawn : garbage, good ? sizeof(spawn) : sizeof(garbage), numbers[_i / 2]);
    expect_refused();
    ck_assert_uint_eq(count_processes(), 0);
    ck_assert_uint_eq(count_descriptors(), before);
}
END_TEST

/* K43: the same, as long as it is listened to. */
START_TEST(a_flood_of_descriptors_is_not_kept)
{
    static const uint8_t place[] = {0x4a, 4, 0x08, PROCESS_VTPM, 0x10, 1};
    unsigned before;

    say_spawn(PROCESS_VTPM, 1, false, 0);
    before = count_descriptors();
    for (int i = 0; i < 1000; i++)
        send_raw(place, sizeof(place), 0);
    ck_assert(!vm->over);
    ck_assert_uint_eq(count_descriptors(), before);
    send_raw(place, sizeof(place), MANY_FDS);
    expect_refused();
    ck_assert_uint_eq(count_descriptors(), before);
}
END_TEST

/* --- programs of its own making --- */

/* exit_group(0) */
static const uint8_t code[] = {0x31, 0xff, 0xb8, SYS_exit_group, 0, 0, 0, 0x0f, 0x05};

static void write_program(int fd)
{
    const size_t head = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
    Elf64_Ehdr e = {
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = 0x400000 + head,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 1
    };
    Elf64_Phdr p = {.p_type = PT_LOAD,
                    .p_flags = PF_R | PF_X,
                    .p_vaddr = 0x400000,
                    .p_filesz = head + sizeof(code),
                    .p_memsz = head + sizeof(code),
                    .p_align = 4096};

    ck_assert_int_eq(pwrite(fd, &e, sizeof(e), 0), sizeof(e));
    ck_assert_int_eq(pwrite(fd, &p, sizeof(p), sizeof(e)), sizeof(p));
    ck_assert_int_eq(pwrite(fd, code, sizeof(code), (off_t)head), sizeof(code));
}

/* Ask for the vtpm with this program; does it run? */
static bool runs(int fd, uint32_t generation)
{
    Bulkhead__Spawn body = BULKHEAD__SPAWN__INIT;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;
    struct channel_msg m = {0};
    bool ran;

    body.process = PROCESS_VTPM;
    body.generation = generation;
    body.has_binary = true;
    e.body_case = BULKHEAD__ENVELOPE__BODY_SPAWN;
    e.spawn = &body;
    ck_assert_int_eq(channel_send(hostile, &e, &fd, 1), 0);
    control_read(vm);
    for (int guard = 0; guard < 1000 && channel_recv(hostile, &m) == -EAGAIN; guard++)
        (void)event_base_loop(vm->base, EVLOOP_ONCE);
    ck_assert_ptr_nonnull(m.envelope);
    ran = m.envelope->body_case == BULKHEAD__ENVELOPE__BODY_SPAWNED;
    if (!ran)
        ck_assert_int_eq(m.envelope->body_case, BULKHEAD__ENVELOPE__BODY_SPAWN_FAILED);
    channel_msg_done(&m);
    return ran;
}

/* What the guest, or a worker, may write becomes no program of another worker's. */
START_TEST(shared_memory_is_no_program)
{
    static const struct {
        enum object_kind kind;
        unsigned index;
    } rows[] = {
        {OBJECT_BOARD,      PROCESS_SUPERVISOR},
        {OBJECT_RAM,        0                 },
        {OBJECT_CRB_BUFFER, 0                 },
        {OBJECT_PORT,       PROCESS_VTPM      },
    };
    int fd = vm->objects.fds[rows[_i].kind][rows[_i].index];

    write_program(fd);
    ck_assert(!runs(fd, 1));
}
END_TEST

/* The control: the same bytes in memory that may be executed. */
START_TEST(the_same_in_a_file_would_be_one)
{
    AUTO_FD fd = memfd_create("program", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    AUTO_FD reading = -1;
    char path[32];

    write_program(fd);
    ck_assert_int_eq(fchmod(fd, 0555), 0);
    ck_assert(!runs(fd, 1)); /* it can still be changed */
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    reading = open(path, O_RDONLY | O_CLOEXEC);
    fd_closep(&fd); /* what somebody may write is not executed */
    ck_assert(runs(reading, 2));
}
END_TEST

static TCase *make_case(void)
{
    TCase *c = tcase_create("hostile_frames");

    tcase_add_checked_fixture(c, begin, end);
    tcase_set_timeout(c, 30);
    tcase_add_loop_test(c, cut_messages_are_refused, 1, SPAWN_BYTES);
    tcase_add_test(c, the_whole_message_is_not);
    tcase_add_loop_test(c, nonsense_is_refused, 0, (int)COUNT_OF(nonsense));
    tcase_add_loop_test(c, descriptors_are_not_kept, 0, 16);
    tcase_add_test(c, a_flood_of_descriptors_is_not_kept);
    tcase_add_loop_test(c, shared_memory_is_no_program, 0, 4);
    tcase_add_test(c, the_same_in_a_file_would_be_one);
    return c;
}

int main(int argc, char **argv)
{
    return hostile_run(argc, argv, make_case());
}
