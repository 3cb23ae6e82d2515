#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "init/filters.h"
#include "init/landlock.h"
#include "init/process_start.h"
#include "init/quota.h"
#include "ipc/channel.h"
#include "tests/attack/lab.h"
#include "tests/attack/wrap.h"

enum {
    VCPUS = 1,
    SETTLE_MS = 50,      /* one that has told its result and lives on is ended after that */
    DEADLINE_MS = 10000, /* for anything at all */
};

static const char SCRATCH[] = "/tmp/bulkhead-evil";
static const char SCRATCH_FOLDER[] = "/tmp/bulkhead-evil-folder";

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
        .filter = &filter_of(process, mode == EVIL_REMOTE)->start,
        .program_fd = lab->evil_fd,
        .limits = quota_limits(process, VCPUS, false),
        .net_ns_fd = lab->net_ns_fd,
        .landlock_fd = -1,
        .cgroup_fd = -1,
    };
    ret->limits.descriptors += lab->spare_fds;
    if (channel_pair(pair) < 0)
        err(2, "channel");
    fd_closep(&lab->control_end);
    lab->control_end = pair[0];
    for (unsigned i = 0; i < FD_CONTROL; i++)
        ret->fds[i] = lab->null_fd;
    ret->fds[FD_CONTROL] = pair[1];
    ret->n_fds = FD_FIRST_GRANT;
    for (unsigned i = 0; i < manifest_n_fds(process, VCPUS); i++) {
        const struct grant g = manifest_grant(process, i);
        int fd = objects_grant(&lab->objects, &g);

        if (fd < 0)
            errx(2, "grant %u of %s", i, row->name);
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
    page->victim_word = lab->victim_word;
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

static enum jail_word start_and_go(const struct jail_spec *spec, uint64_t skip, struct jail *j,
                                   struct why *why)
{
    enum jail_word word;

    if (jail_start(spec, skip, j) < 0)
        err(2, "clone");
    word = hear(j, why);
    if (word == JAIL_AT_PAUSE && jail_go(j) == 0)
        word = hear(j, why);
    return word;
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
    word = start_and_go(&spec, skip, &j, &why);
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
    int program_fd;

    if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) < 0)
        _exit(92);
    (void)snprintf(name, sizeof(name), "%s", spec->name);
    (void)snprintf(generation, sizeof(generation), "%u", spec->generation);
    program_fd = fcntl(lab->evil_fd, F_DUPFD_CLOEXEC, high);
    for (unsigned i = 0; i < spec->n_fds; i++)
        spec->fds[i] = fcntl(spec->fds[i], F_DUPFD_CLOEXEC, high);
    for (unsigned i = 0; i < spec->n_fds; i++)
        (void)dup2(spec->fds[i], (int)i);
    (void)chdir("/tmp");
    (void)syscall(SYS_execveat, program_fd, "", argv, env, AT_EMPTY_PATH);
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

/* See init/process_start.c: what is granted for reading only must be so. */
static void expect_of(const struct lab *lab, enum process process, const struct jail_spec *spec,
                      struct verify_file *files, struct verify_expect *e)
{
    if (verify_files_own(spec->fds, spec->n_fds, files) < 0)
        errx(2, "/proc/self/fd");
    process_expect_grants(process, VCPUS, files);
    *e = (struct verify_expect){.uid = manifest[process].uid,
                                .filters = 2,
                                .net_ns = lab->net_ns,
                                .files = files,
                                .n_files = spec->n_fds,
                                .limits = spec->limits};
}

static void expect_extra(const struct jail_spec *spec, const struct jail *j,
                         struct verify_file *files, struct verify_expect *e)
{
    const int extra[JAIL_EXTRA_FDS] = {
        [JAIL_FD_PROGRAM] = spec->program_fd,
        [JAIL_FD_GO] = j->go_fd,
        [JAIL_FD_SAY] = j->say_fd,
    };

    if (verify_files_own(extra, JAIL_EXTRA_FDS, files + spec->n_fds) < 0)
        errx(2, "/proc/self/fd");
    files[spec->n_fds + JAIL_FD_GO].access = O_RDONLY;
    files[spec->n_fds + JAIL_FD_SAY].access = O_WRONLY;
    e->n_files += JAIL_EXTRA_FDS;
}

bool lab_noticed(struct lab *lab, enum process process, uint64_t skip, char note[160])
{
    struct verify_file files[VERIFY_ROW_FILES];
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
        expect_of(lab, process, &spec, files, &expect);
        expect_extra(&spec, &j, files, &expect);
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

/* --- one that stays --- */

bool lab_resident_start(struct lab *lab, enum process process, unsigned options,
                        struct lab_resident *ret)
{
    struct evil_page *page = fresh_page(lab, process);
    uint64_t end_ns = clock_now_ns() + DEADLINE_MS * NS_PER_MS;
    struct why why = {0};

    *ret = (struct lab_resident){.process = process};
    lab_spec(lab, process, EVIL_RESIDENT, options, &ret->spec);
    ret->control_end = fd_steal(&lab->control_end);
    if (start_and_go(&ret->spec, 0, &ret->jail, &why) != JAIL_RUNNING)
        errx(2, "resident: %s", why.text);
    while (atomic_load(&page->state) != EVIL_BEFORE) {
        struct pollfd dead = {.fd = ret->jail.pidfd, .events = POLLIN};

        if (poll(&dead, 1, 1) == 1 || clock_now_ns() > end_ns)
            return false;
    }
    ret->word = page->victim_word;
    return true;
}

void lab_resident_end(struct lab_resident *r)
{
    jail_kill(&r->jail);
    (void)waitpid(r->jail.pid, NULL, __WALL);
    jail_done(&r->jail);
    lab_spec_done(&r->spec);
    fd_closep(&r->control_end);
}

bool lab_resident_noticed(struct lab *lab, const struct lab_resident *r, char note[160])
{
    struct verify_file files[VERIFY_ROW_FILES];
    struct verify_expect expect;
    struct why why = {0};
    bool noticed;

    expect_of(lab, r->process, &r->spec, files, &expect);
    expect.filters = PROC_FILTERS_IN_RUN;
    expect.may_have_closed = true;
    noticed = verify_process(r->jail.pid, &expect, &why) < 0;
    (void)snprintf(note, 160, "%.150s", why.text);
    return noticed;
}

/* --- one that is beside another, held back by its user alone --- */

struct verdict lab_beside(struct lab *lab, enum process process, const struct lab_resident *victim,
                          size_t attempt)
{
    const uint64_t without = 1ull << JAIL_TMPFS | 1ull << JAIL_PIVOT | 1ull << JAIL_DETACH |
                             1ull << JAIL_READ_ONLY | 1ull << JAIL_LANDLOCK | 1ull << JAIL_FILTER;
    pid_t before = lab->victim;
    uint64_t word_before = lab->victim_word;
    struct verdict v;

    lab->victim = victim->jail.pid;
    lab->victim_word = victim->word;
    lab->spare_fds = 8; /* it is not this limit that is to hold it back */
    wrap_plan.clone_flags = CLONE_NEWPID;
    v = lab_jailed(lab, process, EVIL_BESIDE, attempt, without);
    wrap_plan.clone_flags = 0;
    lab->spare_fds = 0;
    lab->victim = before;
    lab->victim_word = word_before;
    return v;
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
