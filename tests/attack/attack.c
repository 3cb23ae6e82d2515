/*
 * tests/attack/attack.c - a process that was taken over tries to get out.
 *
 *   attack sandboxed EVIL    every attempt in the jail and under the filters of every process
 *   attack jailed EVIL       the same without filters, where a second line is to hold
 *   attack control EVIL      the same without a sandbox: each must work, else it proves nothing
 *   attack beside EVIL       at another process of ours that is visible, held back by its user alone
 *   attack mutations EVIL    one step, one call, one property left out: each must be noticed
 *   attack orphans EVIL      init dies at any instant: nothing it started lives on
 *
 * EVIL is the static program of evil.c. Exits with 0 when all is as it must be. Needs root.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "tests/attack/lab.h"
#include "tests/attack/mutate.h"

#define STEP(name) (UINT64_C(1) << (name))

struct tally {
    unsigned made, wrong;
    unsigned outcomes[OUT_WORKED + 1];
};

static bool concerns(const struct attempt *a, enum process process)
{
    return a->kinds == 0 || (a->kinds & 1u << process) != 0;
}

static void describe(const struct verdict *v)
{
    if (v->result < 0 && v->result > -200)
        printf("%s (%s)", outcome_name(v->outcome), strerror((int)-v->result));
    else
        printf("%s (result %" PRId64 ", wait status %x) %s", outcome_name(v->outcome), v->result,
               (unsigned)v->status, v->note);
}

static void count(struct tally *t, const char *where, const struct attempt *a,
                  const struct verdict *v, unsigned right)
{
    t->made++;
    t->outcomes[v->outcome]++;
    if (((unsigned)v->outcome & right) != 0)
        return;
    t->wrong++;
    printf("  %s %-4s %-30s ", where, a->id, a->what);
    describe(v);
    printf("\n");
}

static void print_tally(const char *name, const struct tally *t)
{
    printf("%-10s %3u attempts: %3u killed by the filter, %2u refused, %2u at the end of their "
           "quota, %2u without effect; %u not as it must be\n",
           name, t->made, t->outcomes[OUT_KILLED], t->outcomes[OUT_REFUSED],
           t->outcomes[OUT_LIMITED], t->outcomes[OUT_NO_EFFECT], t->wrong);
}

/* --- the matrix --- */

static unsigned right_for(const struct attempt *a, enum process process, enum evil_mode mode)
{
    if (mode == EVIL_JAILED && strcmp(a->id, "K12") == 0 && !mutate_kernel_has_mdwe())
        return 0;
    if (mode == EVIL_JAILED)
        return a->jailed;
    return (a->other & 1u << process) != 0 ? a->other_outcome : (unsigned)OUT_KILLED;
}

static unsigned attack_one_kind(struct lab *lab, enum process process, enum evil_mode mode)
{
    uint64_t skip = mode == EVIL_JAILED ? STEP(JAIL_FILTER) : 0;
    const char *name =
        mode == EVIL_REMOTE ? manifest[process].remote_program : manifest[process].name;
    struct tally t = {0};

    for (size_t i = 0; i < attempt_count(); i++) {
        const struct attempt *a = attempt_at(i);
        unsigned right = right_for(a, process, mode);
        struct verdict v;

        if (!concerns(a, process) || right == 0)
            continue;
        v = lab_jailed(lab, process, mode, i, skip);
        count(&t, name, a, &v, right);
        if (!lab_unharmed(lab)) {
            t.wrong++;
            printf("  %s %-4s %-30s did harm outside\n", name, a->id, a->what);
        }
    }
    print_tally(name, &t);
    return t.wrong;
}

static unsigned attack_all(struct lab *lab, enum evil_mode mode)
{
    unsigned wrong = 0;

    for (enum process p = PROCESS_SUPERVISOR; p < PROCESS_COUNT; p++)
        wrong += attack_one_kind(lab, p, mode);
    for (enum process p = PROCESS_SUPERVISOR; mode == EVIL_SANDBOXED && p < PROCESS_COUNT; p++) {
        if (manifest[p].remote_program != NULL)
            wrong += attack_one_kind(lab, p, EVIL_REMOTE);
    }
    return wrong;
}

/* The first worker that it concerns; the supervisor if it concerns none. */
static enum process subject_of(const struct attempt *a)
{
    for (enum process p = PROCESS_SUPERVISOR + 1; p < PROCESS_COUNT; p++) {
        if (concerns(a, p))
            return p;
    }
    return PROCESS_SUPERVISOR;
}

static unsigned control(struct lab *lab)
{
    struct tally t = {0};
    unsigned left_out = 0;

    for (size_t i = 0; i < attempt_count(); i++) {
        const struct attempt *a = attempt_at(i);
        struct verdict v;

        if (a->no_control != NULL) {
            printf("  left out: %-4s %-30s %s\n", a->id, a->what, a->no_control);
            left_out++;
            continue;
        }
        v = lab_control(lab, subject_of(a), i);
        count(&t, "control", a, &v, OUT_WORKED);
    }
    printf("%u of %u attempts work without the sandbox, %u have no control\n",
           t.outcomes[OUT_WORKED], t.made, left_out);
    return t.wrong;
}

/* --- beside a victim --- */

struct beside {
    const char *who;
    enum process attacker;
    unsigned options; /* of the victim, enum evil_resident */
};

/* What is right for the same user, where the victim left its own protection out, is that it works. */
static unsigned right_beside(const struct attempt *a, const struct beside *b)
{
    if (b->attacker != PROCESS_CHIPSET)
        return OUT_REFUSED;
    if (b->options == 0)
        return a->same_user;
    /* Before Linux 6.13 this one needs CAP_SYS_NICE. */
    return OUT_WORKED | (strcmp(a->what, "process_madvise") == 0 ? (unsigned)OUT_REFUSED : 0);
}

static unsigned attack_beside(struct lab *lab, const struct beside *b)
{
    struct lab_resident victim;
    struct tally t = {0};

    if (!lab_resident_start(lab, PROCESS_CHIPSET, b->options, &victim))
        errx(2, "the victim does not come up");
    for (size_t i = 0; i < attempt_count(); i++) {
        const struct attempt *a = attempt_at(i);
        struct verdict v;

        if (a->same_user == 0)
            continue;
        v = lab_beside(lab, b->attacker, &victim, i);
        count(&t, b->who, a, &v, right_beside(a, b));
    }
    lab_resident_end(&victim);
    printf("%-28s %2u attempts: %2u refused, %2u work; %u not as it must be\n", b->who, t.made,
           t.outcomes[OUT_REFUSED], t.outcomes[OUT_WORKED], t.wrong);
    return t.wrong;
}

static unsigned attack_all_beside(struct lab *lab)
{
    static const struct beside rows[] = {
        {"supervisor",                 PROCESS_SUPERVISOR, 0                },
        {"vtpm",                       PROCESS_VTPM,       0                },
        {"diag",                       PROCESS_DIAG,       0                },
        {"of the same user",           PROCESS_CHIPSET,    0                },
        {"control: a dumpable victim", PROCESS_CHIPSET,    RESIDENT_DUMPABLE},
    };
    unsigned wrong = 0;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        wrong += attack_beside(lab, &rows[i]);
    return wrong;
}

/* --- orphans --- */

enum {
    ORPHAN_ROUNDS = 150,
    ORPHAN_LATEST_US = 6000,
    ORPHAN_WAIT_MS = 1000,
};

/* An init that starts one process, lets it go, and dies when it is told to. */
static _Noreturn void be_init(struct lab *lab, uint64_t skip)
{
    struct jail_spec spec;
    struct why why;
    struct jail j;

    lab_spec(lab, PROCESS_CHIPSET, EVIL_SANDBOXED, attempt_find("spin"), &spec);
    if (jail_start(&spec, skip, &j) < 0)
        _exit(94);
    for (;;) {
        struct timespec nap = {.tv_nsec = 50 * 1000};

        if (jail_hear(&j, &why) == JAIL_AT_PAUSE)
            errno = jail_go(&j) < 0 ? EPIPE : 0;
        (void)nanosleep(&nap, NULL);
    }
}

static void kill_children(void)
{
    char path[64], text[256] = "";
    AUTO_FD fd = -1;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
        (void)kill((pid_t)strtol(text, NULL, 10), SIGKILL);
}

/* As the reaper of orphans we see every one as a child of ours. True when none is left. */
static bool all_gone(pid_t victim)
{
    uint64_t end_ns = clock_now_ns() + ORPHAN_WAIT_MS * NS_PER_MS;
    struct timespec nap = {.tv_nsec = 200 * 1000};
    bool gone = true;

    for (;;) {
        pid_t r = waitpid(-1, NULL, WNOHANG | __WALL);

        if (r < 0)
            return gone;
        if (r > 0 || victim == 0) {
            if (r == victim)
                errx(2, "the victim died");
            continue;
        }
        if (clock_now_ns() > end_ns) {
            gone = false;
            kill_children();
        }
        (void)nanosleep(&nap, NULL);
    }
}

static bool orphan_round(struct lab *lab, uint64_t skip, unsigned after_us)
{
    struct timespec until = {.tv_nsec = (long)after_us * 1000};
    pid_t pid = fork();

    if (pid < 0)
        err(2, "fork");
    if (pid == 0)
        be_init(lab, skip);
    (void)nanosleep(&until, NULL);
    (void)kill(pid, SIGKILL);
    return all_gone(-1);
}

static unsigned orphans(struct lab *lab)
{
    unsigned seed = (unsigned)clock_now_ns(), left = 0;
    bool noticed;

    printf("seed %u\n", seed);
    srandom(seed);
    (void)kill(lab->victim, SIGKILL); /* it would be taken for an orphan */
    (void)waitpid(lab->victim, NULL, 0);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        err(2, "subreaper");
    for (unsigned i = 0; i < ORPHAN_ROUNDS; i++)
        left += orphan_round(lab, 0, (unsigned)random() % ORPHAN_LATEST_US) ? 0 : 1;
    noticed = !orphan_round(lab, STEP(JAIL_PARENT_AGAIN), 200 * 1000);
    printf("%d deaths of init: %u left an orphan for more than %d ms; without '%s' one is left: "
           "%s\n",
           ORPHAN_ROUNDS, left, ORPHAN_WAIT_MS, jail_step_name(JAIL_PARENT_AGAIN),
           noticed ? "noticed" : "NOT NOTICED");
    return left + (noticed ? 0 : 1);
}

int main(int argc, char **argv)
{
    struct lab lab;
    unsigned wrong = 1;

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 3)
        errx(2, "usage: attack sandboxed|jailed|control|beside|mutations|orphans EVIL");
    if (strcmp(argv[1], "mutations") == 0)
        return mutate_all(argv[2]) == 0 ? 0 : 1;
    lab_open(&lab, argv[2]);
    if (strcmp(argv[1], "sandboxed") == 0)
        wrong = attack_all(&lab, EVIL_SANDBOXED);
    else if (strcmp(argv[1], "jailed") == 0)
        wrong = attack_all(&lab, EVIL_JAILED);
    else if (strcmp(argv[1], "control") == 0)
        wrong = control(&lab);
    else if (strcmp(argv[1], "beside") == 0)
        wrong = attack_all_beside(&lab);
    else if (strcmp(argv[1], "orphans") == 0)
        wrong = orphans(&lab);
    lab_close(&lab);
    return wrong == 0 ? 0 : 1;
}
