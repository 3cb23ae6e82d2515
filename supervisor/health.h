/*
 * supervisor/health.h - what a death means: restart now, later, or never; and whose fault it was.
 *
 * Pure policy over times and ids the caller passes in: no clock, no process, no log.
 *
 * Only deaths that a worker can cause itself count as faults: its own signals and exits, a missed
 * deadline, a broken protocol, more memory than it may have. Any other SIGKILL comes from outside (an
 * operator, a test); a worker cannot give it to itself, so it proves nothing about the worker or the
 * request.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "ipc/records.h"

enum {
    HEALTH_BURST_FAULTS = 5,  /* more than these in HEALTH_BURST_NS park the device */
    HEALTH_LONG_FAULTS = 20,  /* more than these in HEALTH_LONG_NS park it too */
    HEALTH_POISON_DEATHS = 2, /* generations one request may kill */
};

static const uint64_t HEALTH_BURST_NS = 10ull * 1000 * 1000 * 1000;
static const uint64_t HEALTH_LONG_NS = 600ull * 1000 * 1000 * 1000;
static const uint64_t HEALTH_BACKOFF_FIRST_NS = 10ull * 1000 * 1000;
static const uint64_t HEALTH_BACKOFF_MAX_NS = 5ull * 1000 * 1000 * 1000;

/* Why a generation ended. One row each in health.c. */
enum death_cause {
    DEATH_BY_ITSELF, /* a signal or an exit we did not ask for: see its wait status */
    DEATH_PLANNED,   /* replaced */
    DEATH_HANG,      /* missed a deadline or its heartbeat */
    DEATH_PROTOCOL,  /* spoke wrongly on its channel */
    DEATH_SANDBOX,   /* its jail was not what it must be */
    DEATH_REFUSED,   /* said that it cannot serve */
    DEATH_START,     /* not ready in time, or could not be started */
    DEATH_MEMORY,    /* the kernel killed it: its cgroup was full */
    DEATH_CAUSES,
};

/* The same for operators, who also tell who did it: CAUSE_CRASH, CAUSE_KILLED, CAUSE_HANG, ... */
enum cause health_cause(enum death_cause cause, int wait_status);

/* And as a word. */
const char *health_word(enum death_cause cause, int wait_status);

/* Does this death count against the worker? wait_status as waitpid(2). */
bool health_is_fault(enum death_cause cause, int wait_status);

struct health {
    uint64_t faults[HEALTH_LONG_FAULTS]; /* times of the latest, a ring */
    unsigned n_faults;                   /* ever; index of the ring modulo its size */
    uint64_t backoff_ns;                 /* before the next restart; 0: at once */
    uint64_t suspect;                    /* request a dead generation was executing; 0: none */
    unsigned suspect_deaths;
};

enum health_verdict {
    HEALTH_RESTART, /* after *ret_delay_ns */
    HEALTH_PARK,
};

/* Note a fault at now_ns and decide. Time must not run backwards. */
enum health_verdict health_fault(struct health *h, uint64_t now_ns, uint64_t *ret_delay_ns);

/*
 * Note which request (0: none) a faulty generation died of. Returns the id of a request that must
 * not be tried again, or 0.
 */
uint64_t health_blame(struct health *h, uint64_t executing);

/* An operator revives the device: its past is forgotten. */
void health_forget(struct health *h);
