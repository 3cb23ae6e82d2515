#include "tests/attack/lab.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/shm.h"
#include "init/filters.h"
#include "init/landlock.h"
#include "init/quota.h"
#include "ipc/channel.h"

enum {
    VCPUS = 1,
    SETTLE_MS = 50,      /* one that has told its result and lives on is ended after that */
    DEADLINE_MS = 10000, /* for anything at all */
    MEMORY_BYTES = 16 << 20,
};

static const char SOCKET_PATH[] = "/tmp/bulkhead-attack.sock";
static const char SCRATCH[] = "/tmp/bulkhead-evil";
static const char SCRATCH_FOLDER[] = "/tmp/bulkhead-evil-folder";

/* In the tester, and at the same address in the victim. */
static volatile uint64_t victim_word = 0x1122334455667788;

/* --- the lab --- */

static void make_private(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        err(2, "mounts of our own (needs root)");
}

static void make_objects(struct lab *lab)
{
    Bulkhead__VmConfig config;
    char kernel[] = "/dev/null", empty[] = "";
    int coms[COM_COUNT];
    struct why why;

    bulkhead__vm_config__init(&config);
    (void)snprintf(lab->operator_path, sizeof(lab->operator_path), "/tmp/bulkhead-attack.%d",
                   getpid());
    config.memory_bytes = MEMORY_BYTES;
    config.kernel_path = kernel;
    config.initrd_path = empty;
    config.operator_socket = lab->operator_path;
    for (int i = 0; i < COM_COUNT; i++) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            err(2, "socketpair");
        coms[i] = pair[0];
        lab->com_ends[i] = pair[1];
    }
    objects_init(&lab->objects);
    if (access("/dev/kvm", R_OK | W_OK) < 0) /* the attempts need its place, not KVM */
        lab->objects.fds[OBJECT_KVM][0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (objects_make(&lab->objects, &config, coms, &why) < 0)
        errx(2, "%s", why.text);
}

static void make_victim(struct lab *lab)
{
    lab->victim = fork();
    if (lab->victim < 0)
        err(2, "fork");
    if (lab->victim == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            (void)pause();
    }
}

static void listen_at(const char *path, size_t path_len)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(to.sun_path, path, path_len);
    if (fd < 0 ||
        bind(fd, (struct sockaddr *)&to,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len)) < 0 ||
        listen(fd, 64) < 0)
        err(2, "listener");
}

static void make_secret(void)
{
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
        syscall(SYS_add_key, "user", "bulkhead-attack", "secret", (size_t)6,
                KEY_SPEC_SESSION_KEYRING) < 0)
        err(2, "key");
}

static void map_pages(struct lab *lab)
{
    for (unsigned i = 0; i < PROCESS_COUNT; i++) {
        void *page;
        int fd = lab->objects.fds[OBJECT_BOARD][i];

        if (fd < 0 || shm_map(fd, manifest_object_bytes(OBJECT_BOARD, i), true, &page) < 0)
            errx(2, "board of %s", manifest[i].name);
        lab->pages[i] = page;
    }
}

void lab_open(struct lab *lab, const char *evil)
{
    struct stat st;

    *lab = (struct lab){.control_end = -1};
    (void)signal(SIGPIPE, SIG_IGN);
    make_private();
    make_objects(lab);
    map_pages(lab);
    make_victim(lab);
    make_secret();
    listen_at("\0bulkhead-attack", sizeof("?bulkhead-attack") - 1);
    (void)unlink(SOCKET_PATH);
    listen_at(SOCKET_PATH, sizeof(SOCKET_PATH));
    lab->evil_fd = open(evil, O_RDONLY | O_CLOEXEC);
    lab->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (lab->evil_fd < 0 || lab->null_fd < 0)
        err(2, "%s", evil);
    if (jail_net_ns(&lab->net_ns_fd) < 0 || fstat(lab->net_ns_fd, &st) < 0)
        err(2, "network namespace");
    lab->net_ns = st.st_ino;
}

void lab_close(struct lab *lab)
{
    (void)kill(lab->victim, SIGKILL);
    (void)waitpid(lab->victim, NULL, 0);
    (void)unlink(SOCKET_PATH);
    objects_done(&lab->objects);
}

bool lab_unharmed(struct lab *lab)
{
    uint64_t one = 1;

    if (kill(lab->victim, 0) < 0 || victim_word != 0x1122334455667788)
        return false;
    if (access("/proc/self/status", R_OK) < 0 || access(SCRATCH, F_OK) == 0)
        return false;
    for (unsigned i = 0; i < IRQ_LINE_COUNT; i++) {
        int fd = lab->objects.fds[OBJECT_IRQ][i];

        /* A full one refuses at once; it must not block, so it is asked like a peer would. */
        if (write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
            return false;
        if (read(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
            return false;
        one = 1;
    }
    return true;
}

/* --- one process --- */

static unsigned generation_of(enum evil_mode mode, size_t attempt)
{
    return (unsigned)mode * EVIL_ATTEMPTS_MAX + (unsigned)attempt + 1;
}

void lab_spec(struct lab *lab, enum process process, enum evil_mode mode, size_t attempt,
              struct jail_spec *ret)
{
    const struct process_row *row = &manifest[process];
    int pair[2];

    *ret = (struct jail_spec){
        .name = row->name,
        .generation = generation_of(mode, attempt),
        .uid = row->uid,
        .filter = &filter_of(process)->start,
        .program_fd = lab->evil_fd,
        .limits = quota_limits(process, VCPUS, false),
        .net_ns_fd = lab->net_ns_fd,
        .landlock_fd = -1,
        .cgroup_fd = -1,
    };
    if (channel_pair(pair) < 0)
        err(2, "channel");
    fd_closep(&lab->control_end);
    lab->control_end = pair[0];
    for (unsigned i = 0; i < FD_CONTROL; i++)
        ret->fds[i] = lab->null_fd;
    ret->fds[FD_CONTROL] = pair[1];
    ret->n_fds = FD_FIRST_GRANT;
    for (size_t i = 0; i < row->n_grants; i++) {
        int fd = objects_grant(&lab->objects, &row->grants[i]);

        if (fd < 0)
            errx(2, "grant %zu of %s", i, row->name);
        ret->fds[ret->n_fds++] = fd;
    }
    if (landlock_ruleset(lab->evil_fd, &ret->landlock_fd) < 0)
        errx(2, "Landlock ruleset");
}

void lab_spec_done(struct jail_spec *spec)
{
    for (unsigned i = FD_CONTROL; i < spec->n_fds; i++)
        fd_closep(&spec->fds[i]);
    fd_closep(&spec->landlock_fd);
}

static struct evil_page *fresh_page(struct lab *lab, enum process process)
{
    struct evil_page *page = lab->pages[process];

    atomic_store(&page->state, 0);
    atomic_store(&page->result, 0);
    page->victim = lab->victim;
    page->victim_word = (uintptr_t)&victim_word;
    return page;
}

static enum outcome outcome_of_result(int64_t result)
{
    if (result == EVIL_NO_EFFECT)
        return OUT_NO_EFFECT;
    if (result == EVIL_LIMITED)
        return OUT_LIMITED;
    return result >= 0 ? OUT_WORKED : OUT_REFUSED;
}

static enum outcome judge(const struct evil_page *page, int status)
{
    uint32_t state = atomic_load(&page->state);

    if (state == EVIL_AFTER)
        return outcome_of_result(atomic_load(&page->result));
    if (state != EVIL_BEFORE)
        return 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return OUT_KILLED;
    /* It became another program, which ended well; or left its memory in a core file. */
    if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
        (WIFSIGNALED(status) && WCOREDUMP(status)))
        return OUT_WORKED;
    return OUT_DIED;
}

/* Wait for its end, or end it: for what spins, or is too long about it. */
static int await_end(const struct evil_page *page, pid_t pid, int pidfd)
{
    uint64_t end_ns = clock_now_ns() + DEADLINE_MS * NS_PER_MS;
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    bool told = false;
    int status = 0;

    while (poll(&p, 1, SETTLE_MS) == 0) {
        if (told || clock_now_ns() > end_ns)
            (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        told = atomic_load(&page->state) == EVIL_AFTER;
    }
    (void)waitpid(pid, &status, __WALL);
    return status;
}

static enum jail_word hear(const struct jail *j, struct why *why)
{
    struct pollfd p = {.fd = j->say_fd, .events = POLLIN};

    if (poll(&p, 1, DEADLINE_MS) != 1)
        return JAIL_SILENT;
    return jail_hear(j, why);
}

struct verdict lab_jailed(struct lab *lab, enum process process, enum evil_mode mode,
                          size_t attempt, uint64_t skip)
{
    struct evil_page *page = fresh_page(lab, process);
    struct verdict v = {0};
    struct why why = {0};
    struct jail_spec spec;
    struct jail j;
    enum jail_word word;

    lab_spec(lab, process, mode, attempt, &spec);
    if (jail_start(&spec, skip, &j) < 0)
        err(2, "clone");
    word = hear(&j, &why);
    if (word == JAIL_AT_PAUSE && jail_go(&j) == 0)
        word = hear(&j, &why);
    v.status = await_end(page, j.pid, j.pidfd);
    v.outcome = word == JAIL_RUNNING ? judge(page, v.status) : 0;
    v.result = atomic_load(&page->result);
    (void)snprintf(v.note, sizeof(v.note), "%.150s", why.text);
    jail_done(&j);
    lab_spec_done(&spec);
    return v;
}

/* --- without a sandbox --- */

static _Noreturn void be_control(const struct lab *lab, struct jail_spec *spec)
{
    static const int high = 512;
    char name[32], generation[16];
    char *argv[] = {name, generation, NULL}, *env[] = {NULL};

    if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) < 0)
        _exit(92);
    (void)snprintf(name, sizeof(name), "%s", spec->name);
    (void)snprintf(generation, sizeof(generation), "%u", spec->generation);
    for (unsigned i = 0; i < spec->n_fds; i++)
        spec->fds[i] = fcntl(spec->fds[i], F_DUPFD_CLOEXEC, high);
    for (unsigned i = 0; i < spec->n_fds; i++)
        (void)dup2(spec->fds[i], (int)i);
    (void)chdir("/tmp");
    (void)syscall(SYS_execveat, lab->evil_fd, "", argv, env, AT_EMPTY_PATH);
    _exit(93);
}

struct verdict lab_control(struct lab *lab, enum process process, size_t attempt)
{
    struct evil_page *page = fresh_page(lab, process);
    struct verdict v = {0};
    struct jail_spec spec;
    pid_t pid;
    int pidfd;

    lab_spec(lab, process, EVIL_CONTROL, attempt, &spec);
    pid = fork();
    if (pid < 0)
        err(2, "fork");
    if (pid == 0)
        be_control(lab, &spec);
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    v.status = await_end(page, pid, pidfd);
    v.outcome = judge(page, v.status);
    v.result = atomic_load(&page->result);
    (void)close(pidfd);
    (void)unlink(SCRATCH);
    (void)rmdir(SCRATCH_FOLDER);
    lab_spec_done(&spec);
    return v;
}

/* --- as init looks at it --- */

static void expect_of(const struct lab *lab, enum process process, const struct jail_spec *spec,
                      const struct jail *j, struct verify_file *files, struct verify_expect *e)
{
    const int extra[JAIL_EXTRA_FDS] = {
        [JAIL_FD_PROGRAM] = spec->program_fd,
        [JAIL_FD_GO] = j->go_fd,
        [JAIL_FD_SAY] = j->say_fd,
    };
    int r = verify_files_own(spec->fds, spec->n_fds, files);

    if (r == 0)
        r = verify_files_own(extra, JAIL_EXTRA_FDS, files + spec->n_fds);
    if (r < 0)
        errx(2, "/proc/self/fd");
    files[spec->n_fds + JAIL_FD_GO].access = O_RDONLY;
    files[spec->n_fds + JAIL_FD_SAY].access = O_WRONLY;
    *e = (struct verify_expect){.uid = manifest[process].uid,
                                .filters = 1,
                                .net_ns = lab->net_ns,
                                .files = files,
                                .n_files = spec->n_fds + JAIL_EXTRA_FDS,
                                .limits = spec->limits};
}

bool lab_noticed(struct lab *lab, enum process process, uint64_t skip, char note[160])
{
    struct verify_file files[VERIFY_MAX_FILES];
    struct verify_expect expect;
    struct why why = {0};
    struct jail_spec spec;
    struct jail j;
    bool noticed = true;

    (void)fresh_page(lab, process);
    lab_spec(lab, process, EVIL_SANDBOXED, 0, &spec);
    if (jail_start(&spec, skip, &j) < 0)
        err(2, "clone");
    switch (hear(&j, &why)) {
    case JAIL_AT_PAUSE:
        expect_of(lab, process, &spec, &j, files, &expect);
        noticed = verify_process(j.pid, &expect, &why) < 0;
        break;
    case JAIL_RUNNING:
        (void)why_say(&why, 0, "it did not come to the pause");
        break;
    case JAIL_FAILED:
        break;
    case JAIL_SILENT:
        errx(2, "the jail is silent");
    }
    jail_kill(&j);
    (void)waitpid(j.pid, NULL, __WALL);
    jail_done(&j);
    lab_spec_done(&spec);
    (void)snprintf(note, 160, "%.150s", why.text);
    return noticed;
}

const char *outcome_name(enum outcome outcome)
{
    switch (outcome) {
    case OUT_KILLED:
        return "killed by the filter";
    case OUT_REFUSED:
        return "refused";
    case OUT_LIMITED:
        return "at the end of its quota";
    case OUT_NO_EFFECT:
        return "no effect";
    case OUT_DIED:
        return "died";
    case OUT_WORKED:
        return "WORKED";
    }
    return "did not start";
}
