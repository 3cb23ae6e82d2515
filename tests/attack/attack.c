/*
 * tests/attack/attack.c - a process that was taken over tries to get out.
 *
 *   attack sandboxed EVIL    every attempt in the jail and under the filters of every process
 *   attack jailed EVIL       the same without filters, where a second line is to hold
 *   attack control EVIL      the same without a sandbox: each must work, else it proves nothing
 *   attack mutations EVIL    the jail with one step left out: each must be noticed
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
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "init/landlock.h"
#include "tests/attack/lab.h"

#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66 /* Linux 6.3 */
#endif

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

/* Memory-deny-write-execute is what a second line against new code stands on; from Linux 6.3. */
static bool kernel_has_mdwe(void)
{
    return prctl(PR_GET_MDWE, 0, 0, 0, 0) >= 0;
}

static unsigned right_for(const struct attempt *a, enum process process, enum evil_mode mode)
{
    if (mode == EVIL_JAILED && strcmp(a->id, "K12") == 0 && !kernel_has_mdwe())
        return 0;
    if (mode == EVIL_JAILED)
        return a->jailed;
    return (a->other & 1u << process) != 0 ? a->other_outcome : (unsigned)OUT_KILLED;
}

static unsigned attack_one_kind(struct lab *lab, enum process process, enum evil_mode mode)
{
    uint64_t skip = mode == EVIL_JAILED ? STEP(JAIL_FILTER) : 0;
    struct tally t = {0};

    for (size_t i = 0; i < attempt_count(); i++) {
        const struct attempt *a = attempt_at(i);
        unsigned right = right_for(a, process, mode);
        struct verdict v;

        if (!concerns(a, process) || right == 0)
            continue;
        v = lab_jailed(lab, process, mode, i, skip);
        count(&t, manifest[process].name, a, &v, right);
        if (!lab_unharmed(lab)) {
            t.wrong++;
            printf("  %s %-4s %-30s did harm outside\n", manifest[process].name, a->id, a->what);
        }
    }
    print_tally(manifest[process].name, &t);
    return t.wrong;
}

static unsigned attack_all(struct lab *lab, enum evil_mode mode)
{
    unsigned wrong = 0;

    for (enum process p = PROCESS_SUPERVISOR; p < PROCESS_COUNT; p++)
        wrong += attack_one_kind(lab, p, mode);
    return wrong;
}

static unsigned control(struct lab *lab)
{
    struct tally t = {0};
    unsigned left_out = 0;

    for (size_t i = 0; i < attempt_count(); i++) {
        const struct attempt *a = attempt_at(i);
        enum process process = concerns(a, PROCESS_CHIPSET) ? PROCESS_CHIPSET : PROCESS_VTPM;
        struct verdict v;

        if (a->no_control != NULL) {
            printf("  left out: %-4s %-30s %s\n", a->id, a->what, a->no_control);
            left_out++;
            continue;
        }
        v = lab_control(lab, process, i);
        count(&t, "control", a, &v, OUT_WORKED);
    }
    printf("%u of %u attempts work without the sandbox, %u have no control\n",
           t.outcomes[OUT_WORKED], t.made, left_out);
    return t.wrong;
}

/* --- one step less --- */

/*
 * Who notices: the verifier or the jail itself, at the pause (attempt NULL), or else an attempt
 * that is refused in the jail without filters, and works when the step is missing too.
 */
struct mutation {
    enum jail_step step;
    uint64_t also;       /* without these, or the step is hidden by another */
    const char *attempt; /* that works then */
    const char *nobody;  /* why leaving it out changes nothing */
};

/* clang-format off */
#define WITHOUT_ROOT                                                                               \
    (STEP(JAIL_TMPFS) | STEP(JAIL_PIVOT) | STEP(JAIL_DETACH) | STEP(JAIL_READ_ONLY))
static const struct mutation mutations[] = {
    {JAIL_SIGNALS, 0, NULL, NULL},
    {JAIL_PARENT, 0, NULL, "a parent's death before the pause ends the pause"},
    {JAIL_NETWORK, 0, NULL, NULL},
    {JAIL_DESCRIPTORS, 0, NULL, NULL},
    {JAIL_PRIVATE, 0, NULL, NULL}, /* on shared mounts, see below */
    {JAIL_TMPFS, 0, NULL, NULL},
    {JAIL_PIVOT, 0, NULL, NULL},
    {JAIL_DETACH, 0, NULL, NULL},
    {JAIL_READ_ONLY, 0, NULL, NULL},
    {JAIL_LIMITS, 0, NULL, NULL},
    {JAIL_KEYRING, 0, "use init's keys", NULL},
    {JAIL_BOUNDING, 0, NULL, NULL},
    {JAIL_AMBIENT, 0, NULL, "init has no ambient capabilities, and capset drops them"},
    {JAIL_SECUREBITS, 0, NULL, NULL},
    {JAIL_GROUP, 0, NULL, NULL},
    {JAIL_GROUP, STEP(JAIL_READ_BACK), NULL, NULL},
    {JAIL_USER, 0, NULL, NULL},
    {JAIL_USER, STEP(JAIL_READ_BACK), NULL, NULL},
    {JAIL_CAPABILITIES, 0, NULL, NULL},
    {JAIL_CAPABILITIES, STEP(JAIL_READ_BACK), NULL, NULL},
    {JAIL_READ_BACK, 0, NULL, "it only looks"},
    {JAIL_PARENT_AGAIN, 0, NULL, "the orphan test notices"},
    {JAIL_NO_NEW_PRIVS, 0, NULL, "entering the filter sets it too"},
    {JAIL_NO_NEW_PRIVS, STEP(JAIL_FILTER), NULL, NULL},
    {JAIL_SPECULATION, 0, NULL, NULL},
    {JAIL_MDWE, 0, "mprotect: data becomes code", NULL},
    {JAIL_LANDLOCK, WITHOUT_ROOT | STEP(JAIL_LIMITS), "open a file", NULL},
    {JAIL_FILTER, 0, NULL, NULL},
    {JAIL_PAUSE, 0, NULL, NULL},
};
/* clang-format on */

/* As on a machine whose root is shared: what is mounted here is mounted there. */
static void share_mounts(bool shared)
{
    while (!shared && access("/proc/self", F_OK) < 0 && umount2("/proc", MNT_DETACH) == 0)
        ; /* what came over from the jail */
    if (mount(NULL, "/", NULL, MS_REC | (shared ? MS_SHARED : MS_PRIVATE), NULL) < 0)
        err(2, "mounts");
}

static bool noticed_by_attempt(struct lab *lab, const struct mutation *m, char note[160])
{
    size_t i = attempt_find(m->attempt);
    uint64_t skip = STEP(JAIL_FILTER) | m->also;
    struct verdict with, without;

    if (i == attempt_count())
        errx(2, "no attempt '%s'", m->attempt);
    with = lab_jailed(lab, PROCESS_VTPM, EVIL_JAILED, i, skip);
    without = lab_jailed(lab, PROCESS_VTPM, EVIL_JAILED, i, skip | STEP(m->step));
    (void)snprintf(note, 160, "'%s': %s with it, %s without", m->attempt,
                   outcome_name(with.outcome), outcome_name(without.outcome));
    return with.outcome == OUT_REFUSED && without.outcome == OUT_WORKED;
}

static bool cpu_can_be_told(void)
{
    static const unsigned long controls[] = {PR_SPEC_STORE_BYPASS, PR_SPEC_INDIRECT_BRANCH};

    for (size_t i = 0; i < COUNT_OF(controls); i++) {
        int now = prctl(PR_GET_SPECULATION_CTRL, controls[i], 0, 0, 0);

        if (now > 0 && ((unsigned)now & PR_SPEC_PRCTL) != 0)
            return true;
    }
    return false;
}

/* A step that has nothing to do on this machine; NULL: it has. */
static const char *idle_here(enum jail_step step)
{
    if (step == JAIL_SPECULATION && !cpu_can_be_told())
        return "this CPU is not affected, or cannot be told";
    if (step == JAIL_MDWE && !kernel_has_mdwe())
        return "this kernel has none";
    if (step == JAIL_LANDLOCK && landlock_abi() == 0)
        return "this kernel has none";
    return NULL;
}

static bool mutate(struct lab *lab, const struct mutation *m, char note[160])
{
    bool noticed;

    if (m->attempt != NULL)
        return noticed_by_attempt(lab, m, note);
    share_mounts(m->step == JAIL_PRIVATE);
    noticed = lab_noticed(lab, PROCESS_VTPM, STEP(m->step) | m->also, note);
    share_mounts(false);
    return noticed;
}

static unsigned mutate_all(struct lab *lab)
{
    unsigned wrong = 0, noticed = 0, hidden = 0;
    char note[160] = "";

    if (lab_noticed(lab, PROCESS_VTPM, 0, note)) {
        printf("  the whole jail is refused: %s\n", note);
        wrong++;
    }
    for (size_t i = 0; i < COUNT_OF(mutations); i++) {
        const struct mutation *m = &mutations[i];
        const char *nobody = m->nobody != NULL ? m->nobody : idle_here(m->step);
        bool seen;

        if (nobody != NULL) {
            printf("  without '%s': nothing changes: %s\n", jail_step_name(m->step), nobody);
            hidden++;
            continue;
        }
        seen = mutate(lab, m, note);
        printf("  without '%s'%s: %s: %s\n", jail_step_name(m->step),
               m->also != 0 ? " and what hides it" : "", seen ? "noticed" : "NOT NOTICED", note);
        noticed += seen ? 1 : 0;
        wrong += seen ? 0 : 1;
    }
    printf("%u of %zu jails with a step left out are noticed, %u steps are doubled by others\n",
           noticed, COUNT_OF(mutations), hidden);
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
        errx(2, "usage: attack sandboxed|jailed|control|mutations|orphans EVIL");
    lab_open(&lab, argv[2]);
    if (strcmp(argv[1], "sandboxed") == 0)
        wrong = attack_all(&lab, EVIL_SANDBOXED);
    else if (strcmp(argv[1], "jailed") == 0)
        wrong = attack_all(&lab, EVIL_JAILED);
    else if (strcmp(argv[1], "control") == 0)
        wrong = control(&lab);
    else if (strcmp(argv[1], "mutations") == 0)
        wrong = mutate_all(&lab);
    else if (strcmp(argv[1], "orphans") == 0)
        wrong = orphans(&lab);
    lab_close(&lab);
    return wrong == 0 ? 0 : 1;
}
