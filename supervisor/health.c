#include "supervisor/health.h"

#include <signal.h>
#include <sys/wait.h>

static const struct {
    enum cause cause;
    bool fault;
} causes[DEATH_CAUSES] = {
    [DEATH_BY_ITSELF] = {CAUSE_CRASH,    true },
      [DEATH_PLANNED] = {CAUSE_REPLACED, false},
    [DEATH_HANG] = {CAUSE_HANG,     true },
      [DEATH_PROTOCOL] = {CAUSE_PROTOCOL, true },
    [DEATH_SANDBOX] = {CAUSE_SANDBOX,  true },
      [DEATH_REFUSED] = {CAUSE_REFUSED,  true },
    [DEATH_START] = {CAUSE_START,    true },
      [DEATH_MEMORY] = {CAUSE_MEMORY,   true },
};

static bool killed_from_outside(enum death_cause cause, int wait_status)
{
    return cause == DEATH_BY_ITSELF && WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL;
}

enum cause health_cause(enum death_cause cause, int wait_status)
{
    if (killed_from_outside(cause, wait_status))
        return CAUSE_KILLED;
    if (cause == DEATH_BY_ITSELF && WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGSYS)
        return CAUSE_FORBIDDEN_CALL;
    return causes[cause].cause;
}

const char *health_word(enum death_cause cause, int wait_status)
{
    return records_cause_name(health_cause(cause, wait_status));
}

bool health_is_fault(enum death_cause cause, int wait_status)
{
    return causes[cause].fault && !killed_from_outside(cause, wait_status);
}

/* Was the fault before the last `back` ones within the window? */
static bool too_many(const struct health *h, unsigned limit, uint64_t window_ns, uint64_t now_ns)
{
    uint64_t then;

    if (h->n_faults < limit)
        return false;
    then = h->faults[(h->n_faults - limit) % HEALTH_LONG_FAULTS];
    return now_ns - then <= window_ns;
}

enum health_verdict health_fault(struct health *h, uint64_t now_ns, uint64_t *ret_delay_ns)
{
    bool park = too_many(h, HEALTH_BURST_FAULTS, HEALTH_BURST_NS, now_ns) ||
                too_many(h, HEALTH_LONG_FAULTS, HEALTH_LONG_NS, now_ns);
    bool quiet = h->n_faults == 0 ||
                 now_ns - h->faults[(h->n_faults - 1) % HEALTH_LONG_FAULTS] > HEALTH_BURST_NS;

    h->faults[h->n_faults++ % HEALTH_LONG_FAULTS] = now_ns;
    if (park)
        return HEALTH_PARK;
    if (quiet)
        h->backoff_ns = 0;
    *ret_delay_ns = h->backoff_ns;
    h->backoff_ns = h->backoff_ns == 0 ? HEALTH_BACKOFF_FIRST_NS : 2 * h->backoff_ns;
    if (h->backoff_ns > HEALTH_BACKOFF_MAX_NS)
        h->backoff_ns = HEALTH_BACKOFF_MAX_NS;
    return HEALTH_RESTART;
}

uint64_t health_blame(struct health *h, uint64_t executing)
{
    if (executing == 0)
        return 0;
    if (executing != h->suspect)
        h->suspect_deaths = 0;
    h->suspect = executing;
    h->suspect_deaths++;
    return h->suspect_deaths >= HEALTH_POISON_DEATHS ? executing : 0;
}

void health_forget(struct health *h)
{
    *h = (struct health){0};
}
