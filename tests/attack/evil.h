/*
 * tests/attack/evil.h - a process that was taken over: what it tries, and where it tells.
 *
 * One static program (evil.c) takes the place of a worker or of the supervisor: init's real jail,
 * the real filters, the descriptors of the real row. The generation says which attempt to make and
 * in which mode. It writes to its board page before and after, so that silence in between means
 * that it was killed in the act. attack.c judges.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"
#include "ipc/manifest.h"

enum evil_mode {
    EVIL_SANDBOXED = 0, /* jail and both filters */
    EVIL_JAILED = 1,    /* jail, no filter: does the second line hold? */
    EVIL_CONTROL = 2,   /* no sandbox at all: the attempt must work, else it proves nothing */
    EVIL_RESIDENT = 3,  /* sandboxed, and does nothing: a victim, or to be looked at */
    EVIL_BESIDE = 4,    /* beside a victim, without filter and namespaces; see lab_beside() */
    EVIL_REMOTE = 5,    /* sandboxed, as the program for operators over the network */
    EVIL_MODES = 6,
    EVIL_ATTEMPTS_MAX = 1000, /* generation = mode * this + index + 1 */
};

enum evil_state {
    EVIL_STARTED = 1,
    EVIL_BEFORE = 2, /* the next thing is the attempt */
    EVIL_AFTER = 3,
};

/* Of a resident, in the place of the attempt's number. */
enum evil_resident {
    RESIDENT_DUMPABLE = 1,    /* as it is after exec */
    RESIDENT_NO_FILTER = 2,   /* the run filter is not entered */
    RESIDENT_FREE_THREAD = 4, /* only by one of its threads */
    RESIDENT_OPTIONS = 8,
};

/* What an attempt returns besides 0 or more (it worked) and negative errno (refused). */
enum {
    EVIL_NO_EFFECT = -1000, /* allowed, and harmless */
    EVIL_LIMITED = -1001,   /* came to the end of its own quota */
};

enum {
    EVIL_PAGE_OFFSET = 4096, /* in the board; what is before it an attempt may spoil */
};

struct evil_page {
    _Atomic uint32_t state; /* enum evil_state */
    int32_t victim;         /* a process it may try to reach; as the tester sees it */
    uint64_t victim_word;   /* address, in the victim, of a word */
    _Atomic int64_t result;
};

struct evil {
    enum evil_mode mode;
    enum process process;
    struct evil_page *page;
    void *shared; /* a mapping of the board, writable */
    int shared_fd;
};

/* The ways in which an attempt may end. */
enum outcome {
    OUT_KILLED = 1,    /* by the filter */
    OUT_REFUSED = 2,   /* an error */
    OUT_LIMITED = 4,   /* its own quota was the end of it */
    OUT_NO_EFFECT = 8, /* allowed and harmless */
    OUT_DIED = 16,     /* of something else */
    OUT_WORKED = 32,   /* an escape; in a control run what must happen */
};

enum {
    ON_SUPERVISOR = 1 << PROCESS_SUPERVISOR,
    ON_CHIPSET = 1 << PROCESS_CHIPSET,
    ON_VTPM = 1 << PROCESS_VTPM,
    ON_VMBUS = 1 << PROCESS_VMBUS,
    ON_STORAGE = 1 << PROCESS_STORAGE,
    ON_DIAG = 1 << PROCESS_DIAG,
    ON_DEBUG = 1 << PROCESS_DEBUG,
    ON_TALKERS = ON_SUPERVISOR | ON_DIAG | ON_DEBUG, /* who has sendmsg */
    ON_ALL = (1 << PROCESS_COUNT) - 1 - (1 << PROCESS_INIT),
    ON_WORKERS = ON_ALL - ON_SUPERVISOR,
};

struct attempt {
    const char *id; /* in facts/security.md 3.2 */
    const char *what;
    long call; /* -1: run() does it */
    uintptr_t args[6];
    long (*run)(const struct evil *e);
    unsigned jailed; /* mask of enum outcome without filters; 0: only the filter is in the way */
    unsigned other;  /* mask of enum process for which another outcome than OUT_KILLED is right */
    unsigned other_outcome;
    unsigned kinds;         /* for which it makes sense; 0: all */
    const char *no_control; /* why the control run is left out; NULL: it must work */
    /*
     * At a process of ours that is visible: 0, not one of these; else a mask of enum outcome for
     * an attacker of the same user. One of another user must be refused.
     */
    unsigned same_user;
};

size_t attempt_count(void);
const struct attempt *attempt_at(size_t i);
/* The index of an attempt by its description; attempt_count() when there is none. */
size_t attempt_find(const char *what);

struct attempt_table {
    const struct attempt *rows;
    size_t n;
};
extern const struct attempt_table attempts_paths, attempts_peers, attempts_victim, attempts_kernel,
    attempts_ring;

/* Map the ring, where it is given one and before the filter forbids it. 0 or negative errno. */
int evil_take_ring(const struct evil *e);

/* Rows: one system call with these arguments; a function; a call without a control run. */
#define A(x) ((uintptr_t)(x))
#define CALL(id, what, call, jailed, ...)                                                          \
    {                                                                                              \
        id, what, call, {__VA_ARGS__}, NULL, jailed, 0, 0, 0, NULL, 0                              \
    }
#define RUN(id, what, fn, jailed)                                                                  \
    {                                                                                              \
        id, what, -1, {0}, fn, jailed, 0, 0, 0, NULL, 0                                            \
    }
#define NO_CONTROL(id, what, call, jailed, reason, ...)                                            \
    {                                                                                              \
        id, what, call, {__VA_ARGS__}, NULL, jailed, 0, 0, 0, reason, 0                            \
    }

#define NO_CONTROL_RUN(id, what, fn, jailed, reason)                                               \
    {                                                                                              \
        id, what, -1, {0}, fn, jailed, 0, 0, 0, reason, 0                                          \
    }

/* Make a call; its result, or negative errno. */
long evil_call(long call, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e,
               uintptr_t f);
