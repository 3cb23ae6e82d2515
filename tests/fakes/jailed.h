/*
 * tests/fakes/jailed.h - one process in the real jail, with a handful of descriptors, for tests.
 *
 * Needs root. The program is made here: an ELF file of a few instructions, in memory.
 */
#pragma once

#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/filters.h"
#include "base/shm.h"
#include "init/jail.h"
#include "init/landlock.h"
#include "init/verify.h"

enum {
    JAILED_CONTROL = 3,
    JAILED_EVENT = 4,
    JAILED_SHARED = 5, /* read-only */
    JAILED_FDS = 6,
    JAILED_UID = 64900,
    JAILED_SAYS = 'L', /* what the program writes to its control socket when it lives */
    JAILED_EXIT = 7,   /* its exit status, once it is told to end */
    JAILED_PAGE = 4096,
    JAILED_WAIT_MS = 10000,
};

/* Is not to be dumped, says one byte on descriptor 3, waits for one, exits. */
__asm__(".pushsection .rodata\n"
        "jailed_code:\n"
        "    mov $4, %edi\n"
        "    xor %esi, %esi\n"
        "    xor %edx, %edx\n"
        "    xor %r10d, %r10d\n"
        "    xor %r8d, %r8d\n"
        "    mov $157, %eax\n"
        "    syscall\n"
        "    mov $3, %edi\n"
        "    lea 1f(%rip), %rsi\n"
        "    mov $1, %edx\n"
        "    mov $1, %eax\n"
        "    syscall\n"
        "    mov $3, %edi\n"
        "    lea -8(%rsp), %rsi\n"
        "    mov $1, %edx\n"
        "    xor %eax, %eax\n"
        "    syscall\n"
        "    mov $7, %edi\n"
        "    mov $231, %eax\n"
        "    syscall\n"
        "    ud2\n"
        "1:  .ascii \"L\"\n"
        "jailed_code_end:\n"
        ".popsection\n");
extern const uint8_t jailed_code[] __asm__("jailed_code");
extern const uint8_t jailed_code_end[] __asm__("jailed_code_end");

struct jailed {
    struct jail_spec spec;
    struct jail jail;
    int control; /* our end */
    struct verify_file files[VERIFY_ROW_FILES];
    struct verify_expect expect;
    struct why why;
};

/* Open for reading only: a file that somebody may write is not executed. */
static inline int jailed_reopen(int fd)
{
    char path[32];
    int r;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    r = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(r, 0);
    return r;
}

static inline int jailed_program(void)
{
    const size_t head = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
    const size_t len = (size_t)(jailed_code_end - jailed_code);
    AUTO_FD fd = memfd_create("program", MFD_CLOEXEC);
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
                    .p_filesz = head + len,
                    .p_memsz = head + len,
                    .p_align = JAILED_PAGE};

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, &e, sizeof(e)), sizeof(e));
    ck_assert_int_eq(write(fd, &p, sizeof(p)), sizeof(p));
    ck_assert_int_eq(write(fd, jailed_code, len), (ssize_t)len);
    ck_assert_int_eq(fchmod(fd, 0755), 0);
    return jailed_reopen(fd);
}

static inline void jailed_objects(struct jailed *j)
{
    AUTO_FD shared = -1;
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    j->control = pair[0];
    for (int i = 0; i < JAILED_CONTROL; i++)
        j->spec.fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
    j->spec.fds[JAILED_CONTROL] = pair[1];
    j->spec.fds[JAILED_EVENT] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ck_assert_int_eq(shm_new("shared", JAILED_PAGE, &shared), 0);
    j->spec.fds[JAILED_SHARED] = jailed_reopen(shared);
    j->spec.n_fds = JAILED_FDS;
}

/* A jail in which everything is as the product makes it. Nothing runs yet. */
static inline void jailed_init(struct jailed *j)
{
    struct stat st;
    int r;

    memset(j, 0, sizeof(*j));
    j->spec.name = "jailed";
    j->spec.generation = 1;
    j->spec.uid = JAILED_UID;
    j->spec.filter = &chipset_filter.start;
    j->spec.limits = (struct jail_limits){JAILED_FDS, 64, 16u << 20};
    j->spec.cgroup_fd = -1;
    j->spec.program_fd = jailed_program();
    j->jail = (struct jail){.pid = -1, .pidfd = -1, .say_fd = -1, .go_fd = -1, .watch_fd = -1};
    jailed_objects(j);
    r = landlock_ruleset(j->spec.program_fd, &j->spec.landlock_fd);
    ck_assert_int_eq(r, 0);
    r = jail_net_ns(&j->spec.net_ns_fd);
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(fstat(j->spec.net_ns_fd, &st), 0);
    j->expect = (struct verify_expect){.uid = JAILED_UID,
                                       .filters = 2,
                                       .net_ns = st.st_ino,
                                       .files = j->files,
                                       .n_files = JAILED_FDS + JAIL_EXTRA_FDS,
                                       .limits = j->spec.limits};
}

static inline void jailed_note(struct jailed *j)
{
    const int more[JAIL_EXTRA_FDS] = {
        [JAIL_FD_PROGRAM] = j->spec.program_fd,
        [JAIL_FD_GO] = j->jail.go_fd,
        [JAIL_FD_SAY] = j->jail.say_fd,
    };
    struct verify_file *extra = &j->files[JAILED_FDS];
    int r = verify_files_own(j->spec.fds, JAILED_FDS, j->files);

    if (r == 0)
        r = verify_files_own(more, JAIL_EXTRA_FDS, extra);
    ck_assert_int_eq(r, 0);
    extra[JAIL_FD_GO].access = O_RDONLY;
    extra[JAIL_FD_SAY].access = O_WRONLY;
}

static inline void jailed_start(struct jailed *j, uint64_t skip)
{
    int r = jail_start(&j->spec, skip, &j->jail);

    ck_assert_int_eq(r, 0);
    if (j->spec.fds[JAILED_EVENT] >= 0)
        jailed_note(j);
}

/* The next word that is not silence. */
static inline enum jail_word jailed_hear(struct jailed *j)
{
    struct pollfd p = {.fd = j->jail.say_fd, .events = POLLIN};

    ck_assert_int_eq(poll(&p, 1, JAILED_WAIT_MS), 1);
    return jail_hear(&j->jail, &j->why);
}

static inline int jailed_verify(struct jailed *j)
{
    return verify_process(j->jail.pid, &j->expect, &j->why);
}

/* Past exec: what closed with it is not expected any more. */
static inline void jailed_let_go(struct jailed *j)
{
    struct pollfd p = {.fd = j->control, .events = POLLIN};
    char word = 0;
    int r = jail_go(&j->jail);

    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(jailed_hear(j), JAIL_RUNNING);
    ck_assert_int_eq(poll(&p, 1, JAILED_WAIT_MS), 1);
    ck_assert_int_eq(read(j->control, &word, 1), 1);
    ck_assert_int_eq(word, JAILED_SAYS);
    j->expect.n_files = JAILED_FDS;
    j->expect.may_have_closed = true;
}

static inline int jailed_reap(struct jailed *j)
{
    struct pollfd p = {.fd = j->jail.pidfd, .events = POLLIN};
    int status = -1;

    ck_assert_int_eq(poll(&p, 1, JAILED_WAIT_MS), 1);
    ck_assert_int_eq(waitpid(j->jail.pid, &status, 0), j->jail.pid);
    return status;
}

static inline void jailed_done(struct jailed *j)
{
    if (j->jail.pid > 0) {
        jail_kill(&j->jail);
        (void)waitpid(j->jail.pid, NULL, 0);
    }
    jail_done(&j->jail);
    fd_closep(&j->control);
    for (unsigned i = 0; i < JAILED_FDS; i++)
        fd_closep(&j->spec.fds[i]);
    fd_closep(&j->spec.program_fd);
    fd_closep(&j->spec.landlock_fd);
    fd_closep(&j->spec.net_ns_fd);
}
