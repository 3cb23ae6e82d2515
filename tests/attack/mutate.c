#include "tests/attack/mutate.h"

#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/landlock.h"
#include "tests/attack/lab.h"
#include "tests/attack/wrap.h"

#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66 /* Linux 6.3 */
#endif

#define STEP(name) (UINT64_C(1) << (name))

enum {
    NOTE_BYTES = 160,
};

struct count {
    unsigned noticed, hidden, wrong;
};

bool mutate_kernel_has_mdwe(void)
{
    return prctl(PR_GET_MDWE, 0, 0, 0, 0) >= 0;
}

static void say(struct count *c, const char *what, bool seen, const char *note)
{
    printf("  without %s: %s: %s\n", what, seen ? "noticed" : "NOT NOTICED", note);
    c->noticed += seen ? 1 : 0;
    c->wrong += seen ? 0 : 1;
}

static void say_hidden(struct count *c, const char *what, const char *why)
{
    printf("  without %s: nothing changes: %s\n", what, why);
    c->hidden++;
}

/* --- steps --- */

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
    {JAIL_PERSONALITY, 0, NULL, NULL},
    {JAIL_PARENT, 0, NULL, "a parent's death before the pause ends the pause"},
    {JAIL_NETWORK, 0, NULL, NULL},
    {JAIL_WATCH, 0, NULL, NULL},
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

static bool refused_and_then_works(struct lab *lab, const char *what, uint64_t skip,
                                   uint64_t skip_then, char note[NOTE_BYTES])
{
    size_t i = attempt_find(what);
    struct verdict with, without;
    struct wrap_plan plan = wrap_plan;

    if (i == attempt_count())
        errx(2, "no attempt '%s'", what);
    wrap_plan = (struct wrap_plan){0};
    with = lab_jailed(lab, PROCESS_VTPM, EVIL_JAILED, i, skip);
    wrap_plan = plan;
    without = lab_jailed(lab, PROCESS_VTPM, EVIL_JAILED, i, skip_then);
    (void)snprintf(note, NOTE_BYTES, "'%s': %s with it, %s without", what,
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
    if (step == JAIL_MDWE && !mutate_kernel_has_mdwe())
        return "this kernel has none";
    if (step == JAIL_LANDLOCK && landlock_abi() == 0)
        return "this kernel has none";
    return NULL;
}

/* As on a machine whose root is shared: what is mounted here is mounted there. */
static void share_mounts(bool shared)
{
    while (!shared && access("/proc/self", F_OK) < 0 && umount2("/proc", MNT_DETACH) == 0)
        ; /* what came over from the jail */
    if (mount(NULL, "/", NULL, MS_REC | (shared ? MS_SHARED : MS_PRIVATE), NULL) < 0)
        err(2, "mounts");
}

static bool mutate_step(struct lab *lab, const struct mutation *m, char note[NOTE_BYTES])
{
    uint64_t skip = STEP(JAIL_FILTER) | m->also;
    bool noticed;

    if (m->attempt != NULL)
        return refused_and_then_works(lab, m->attempt, skip, skip | STEP(m->step), note);
    share_mounts(m->step == JAIL_PRIVATE);
    noticed = lab_noticed(lab, PROCESS_VTPM, STEP(m->step) | m->also, note);
    share_mounts(false);
    return noticed;
}

static void mutate_steps(struct lab *lab, struct count *c)
{
    char what[64], note[NOTE_BYTES] = "";

    for (size_t i = 0; i < COUNT_OF(mutations); i++) {
        const struct mutation *m = &mutations[i];
        const char *nobody = m->nobody != NULL ? m->nobody : idle_here(m->step);

        (void)snprintf(what, sizeof(what), "step '%s'%s", jail_step_name(m->step),
                       m->also != 0 ? " and what hides it" : "");
        if (nobody != NULL)
            say_hidden(c, what, nobody);
        else
            say(c, what, mutate_step(lab, m, note), note);
    }
}

/* --- the calls of the child, one by one --- */

/* Those that neither the jail nor the verifier can miss. */
struct exception {
    const char *call;
    unsigned nth;        /* 0: each of them */
    const char *attempt; /* that works then */
    uint64_t also;       /* steps without which it is not the only thing in the way */
    const char *nobody;
};

/* clang-format off */
static const struct exception exceptions[] = {
    {"fcntl(F_DUPFD_CLOEXEC)", 2, NULL, 0, "0, which it says that it made, is the same file"},
    {"fcntl(F_DUPFD_CLOEXEC)", 3, NULL, 0, "0, which it says that it made, is the same file"},
    {"chdir(/)", 0, NULL, 0, "pivot_root has left the working folder there"},
    {"PR_SET_PDEATHSIG", 1, NULL, 0, "it is asked for again after the change of user"},
    {"PR_SET_PDEATHSIG", 2, NULL, 0, "the orphan test notices"},
    {"PR_CAP_AMBIENT", 0, NULL, 0, "there are none, and capset would drop them"},
    {"PR_SET_NO_NEW_PRIVS", 0, NULL, 0, "it is asked for twice"},
    {"PR_SET_MDWE", 0, "mprotect: data becomes code", 0, NULL},
    {"keyctl", 0, "use init's keys", 0, NULL},
    {"landlock_restrict_self", 0, "open a file", WITHOUT_ROOT | STEP(JAIL_LIMITS), NULL},
};
/* clang-format on */

static const struct exception *exception_of(const struct wrap_call *call)
{
    for (size_t i = 0; i < COUNT_OF(exceptions); i++) {
        if (strcmp(exceptions[i].call, call->name) == 0 &&
            (exceptions[i].nth == 0 || exceptions[i].nth == call->nth))
            return &exceptions[i];
    }
    return NULL;
}

static bool mutate_call(struct lab *lab, const struct wrap_call *call, const struct exception *x,
                        char note[NOTE_BYTES])
{
    bool makes_private = strcmp(call->name, "mount(/, 0x44000)") == 0; /* MS_REC | MS_PRIVATE */
    bool noticed;

    wrap_plan = (struct wrap_plan){.call = call->name, .nth = call->nth};
    if (x != NULL) {
        uint64_t skip = STEP(JAIL_FILTER) | x->also;

        noticed = refused_and_then_works(lab, x->attempt, skip, skip, note);
    } else {
        share_mounts(makes_private);
        noticed = lab_noticed(lab, PROCESS_VTPM, 0, note);
        share_mounts(false);
    }
    wrap_plan = (struct wrap_plan){0};
    return noticed;
}

static void mutate_calls(struct lab *lab, struct count *c)
{
    static struct wrap_record calls;
    char what[64], note[NOTE_BYTES] = "";

    (void)wrap_record();
    if (lab_noticed(lab, PROCESS_VTPM, 0, note)) {
        printf("  the whole jail is refused: %s\n", note);
        c->wrong++;
        return;
    }
    calls = *wrap_record();
    for (unsigned i = 0; i < calls.n; i++) {
        const struct wrap_call *call = &calls.calls[i];
        const struct exception *x = exception_of(call);

        (void)snprintf(what, sizeof(what), "call %u: %s", i + 1, call->name);
        if (call->idle != NULL)
            say_hidden(c, what, call->idle);
        else if (x != NULL && x->nobody != NULL)
            say_hidden(c, what, x->nobody);
        else
            say(c, what, mutate_call(lab, call, x, note), note);
    }
}

/* --- the clone --- */

static const struct {
    const char *what;
    uint64_t flag;
    uint64_t skip; /* what would strike init itself then */
    const char *nobody;
} clone_flags[] = {
    {"a mount namespace",     CLONE_NEWNS,                     WITHOUT_ROOT | STEP(JAIL_PRIVATE), NULL},
    {"a PID namespace",       CLONE_NEWPID,                    0,                                 NULL},
    {"an IPC namespace",      CLONE_NEWIPC,                    0,                                 NULL},
    {"a UTS namespace",       CLONE_NEWUTS,                    0,                                 NULL},
    {"a cgroup namespace",    CLONE_NEWCGROUP,                 0,                                 NULL},
    {"the reset of handlers", 0x100000000 /* CLEAR_SIGHAND */, 0,
     "exec does the same; what is ignored is looked at"                                               },
};

static void mutate_clone(struct lab *lab, struct count *c)
{
    char note[NOTE_BYTES] = "";

    for (size_t i = 0; i < COUNT_OF(clone_flags); i++) {
        bool seen;

        if (clone_flags[i].nobody != NULL) {
            say_hidden(c, clone_flags[i].what, clone_flags[i].nobody);
            continue;
        }
        wrap_plan.clone_flags = clone_flags[i].flag;
        seen = lab_noticed(lab, PROCESS_VTPM, clone_flags[i].skip, note) &&
               strstr(note, "is init's own") != NULL;
        wrap_plan.clone_flags = 0;
        say(c, clone_flags[i].what, seen, note);
    }
}

/* --- what a program does itself before it serves --- */

static const struct {
    const char *what;
    unsigned options;
} residents[] = {
    {"being undumpable",           RESIDENT_DUMPABLE   },
    {"the run filter",             RESIDENT_NO_FILTER  },
    {"the run filter on a thread", RESIDENT_FREE_THREAD},
};

static void mutate_programs(struct lab *lab, struct count *c)
{
    struct lab_resident r;
    char note[NOTE_BYTES] = "";
    bool up = lab_resident_start(lab, PROCESS_VTPM, 0, &r);

    if (!up || lab_resident_noticed(lab, &r, note)) {
        printf("  a whole program is refused: %s\n", note);
        c->wrong++;
    }
    lab_resident_end(&r);
    for (size_t i = 0; i < COUNT_OF(residents); i++) {
        up = lab_resident_start(lab, PROCESS_VTPM, residents[i].options, &r);
        say(c, residents[i].what, up && lab_resident_noticed(lab, &r, note), note);
        lab_resident_end(&r);
    }
}

/* --- the objects --- */

static bool works_beside(struct lab *lab, enum process process, const char *what,
                         char note[NOTE_BYTES])
{
    const struct lab_resident nobody = {0};
    struct verdict v = lab_beside(lab, process, &nobody, attempt_find(what));

    (void)snprintf(note, NOTE_BYTES, "'%s': %s", what, outcome_name(v.outcome));
    return v.outcome == OUT_WORKED;
}

/* Without, no lab comes up: init itself does not map such memory. */
static bool without_seals(struct lab *lab, char note[NOTE_BYTES])
{
    (void)lab;
    (void)note;
    return false;
}

static bool without_nonblock(struct lab *lab, char note[NOTE_BYTES])
{
    (void)snprintf(note, NOTE_BYTES, "an eventfd that was filled would make its writer wait");
    return !lab_unharmed(lab);
}

static bool without_mode(struct lab *lab, char note[NOTE_BYTES])
{
    return works_beside(lab, PROCESS_DIAG, "open a read-only object again", note);
}

static bool without_read_only(struct lab *lab, char note[NOTE_BYTES])
{
    return lab_noticed(lab, PROCESS_DIAG, 0, note);
}

static const struct {
    const char *what;
    struct wrap_plan plan;
    bool (*noticed)(struct lab *lab, char note[NOTE_BYTES]);
} objects[] = {
    {"seals",                   {.seals = true},     without_seals    },
    {"non-blocking eventfds",   {.nonblock = true},  without_nonblock },
    {"a mode of shared memory", {.mode = true},      without_mode     },
    {"grants for reading only", {.read_only = true}, without_read_only},
};

/* In a lab of its own, in a process of its own, which shares note with us. */
static bool object_noticed(const char *evil, size_t i, bool left_out, char note[NOTE_BYTES])
{
    pid_t pid = fork();
    int status = 0;

    if (pid < 0)
        err(2, "fork");
    if (pid == 0) {
        struct lab lab;
        bool noticed;

        if (left_out)
            wrap_plan = objects[i].plan;
        lab_open(&lab, evil);
        noticed = objects[i].noticed(&lab, note);
        lab_close(&lab);
        _exit(noticed ? 0 : 1);
    }
    (void)waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) > 1 && !left_out))
        errx(2, "%s: the lab failed", objects[i].what);
    return WEXITSTATUS(status) != 1;
}

/* With each of them nothing may be noticed. */
static void mutate_objects(const char *evil, struct count *c)
{
    char *note = mmap(NULL, NOTE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (note == MAP_FAILED)
        err(2, "mmap");
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        if (object_noticed(evil, i, false, note)) {
            printf("  with %s: %s\n", objects[i].what, note);
            c->wrong++;
        }
        (void)snprintf(note, NOTE_BYTES, "such memory is not mapped: no VM starts");
        say(c, objects[i].what, object_noticed(evil, i, true, note), note);
    }
}

unsigned mutate_all(const char *evil)
{
    struct count c = {0};
    struct lab lab;

    mutate_objects(evil, &c);
    lab_open(&lab, evil);
    mutate_steps(&lab, &c);
    mutate_calls(&lab, &c);
    mutate_clone(&lab, &c);
    mutate_programs(&lab, &c);
    lab_close(&lab);
    printf("%u things left out are noticed, %u are doubled by others or do nothing here, %u are "
           "NOT noticed\n",
           c.noticed, c.hidden, c.wrong);
    return c.wrong;
}
