#include "supervisor/vcpu/hold.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const uint64_t ONE = 1;

static void lock(struct hold *h)
{
    (void)pthread_mutex_lock(&h->lock);
}

static void unlock(struct hold *h)
{
    (void)pthread_mutex_unlock(&h->lock);
}

static void ring(const struct hold *h)
{
    (void)!write(h->still_fd, &ONE, sizeof(ONE)); /* full means that it is rung already */
}

static bool must_stand(const struct hold *h, unsigned vcpu)
{
    uint32_t reasons = atomic_load(&h->reasons);

    return (reasons & HOLD_OPERATOR) != 0 || ((reasons & HOLD_DEBUGGER) != 0 && !h->vcpus[vcpu].go);
}

/* Not one that was told to go and has not woken yet. */
static bool is_still(const struct hold *h)
{
    for (unsigned i = 0; i < h->n_vcpus; i++) {
        if (!h->vcpus[i].standing || !must_stand(h, i))
            return false;
    }
    return true;
}

static void debug_of(const struct hold *h, unsigned vcpu, struct hold_debug *ret)
{
    memset(ret, 0, sizeof(*ret)); /* padding too: they are compared */
    memcpy(ret->breaks, h->breaks, h->n_breaks * sizeof(h->breaks[0]));
    ret->n_breaks = h->n_breaks;
    ret->step = h->vcpus[vcpu].step;
}

/* Those that run are told to look. Without the lock: a kick is a system call. */
static void kick_all(struct hold *h)
{
    for (unsigned i = 0; i < h->n_vcpus; i++)
        h->kick(h->self, i);
}

static void none_goes(struct hold *h)
{
    for (unsigned i = 0; i < h->n_vcpus; i++) {
        h->vcpus[i].go = false;
        h->vcpus[i].step = false;
    }
}

int hold_init(struct hold *h)
{
    int r;

    *h = (struct hold){.still_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (h->still_fd < 0)
        return -errno;
    r = -pthread_mutex_init(&h->lock, NULL);
    return r < 0 ? r : -pthread_cond_init(&h->changed, NULL);
}

void hold_stop(struct hold *h, enum hold_reason reason)
{
    bool still;

    lock(h);
    atomic_fetch_or(&h->reasons, (uint32_t)reason);
    if (reason == HOLD_DEBUGGER)
        none_goes(h);
    still = is_still(h);
    unlock(h);
    if (still)
        ring(h);
    else
        kick_all(h);
}

void hold_release(struct hold *h, enum hold_reason reason)
{
    lock(h);
    atomic_fetch_and(&h->reasons, ~(uint32_t)reason);
    (void)pthread_cond_broadcast(&h->changed);
    unlock(h);
}

bool hold_is_still(struct hold *h)
{
    bool still;

    lock(h);
    still = is_still(h);
    unlock(h);
    return still;
}

int hold_straggler(struct hold *h)
{
    int found = -1;

    lock(h);
    for (unsigned i = 0; found < 0 && i < h->n_vcpus; i++) {
        if (!h->vcpus[i].standing)
            found = (int)i;
    }
    unlock(h);
    return found;
}

/* A trap that one came upon before may not have been reported yet. */
static void note_left(struct hold *h)
{
    for (unsigned i = 0; i < h->n_vcpus; i++)
        atomic_store(&h->vcpus[i].left, true);
}

void hold_attach(struct hold *h, bool attached)
{
    lock(h);
    h->attached = attached;
    if (!attached)
        note_left(h);
    h->hit = (struct hold_hit){.event = HOLD_NONE};
    h->n_breaks = 0;
    none_goes(h);
    unlock(h);
    if (!attached)
        hold_release(h, HOLD_DEBUGGER);
    kick_all(h); /* for what they run with */
}

bool hold_take_hit(struct hold *h, struct hold_hit *ret)
{
    bool any;

    lock(h);
    any = h->hit.event != HOLD_NONE;
    if (any)
        *ret = h->hit;
    h->hit.event = HOLD_NONE;
    unlock(h);
    return any;
}

int hold_read(struct hold *h, unsigned vcpu, struct guest_regs *ret)
{
    int r = 0;

    lock(h);
    if (is_still(h))
        *ret = h->vcpus[vcpu].regs;
    else
        r = -EBUSY;
    unlock(h);
    return r;
}

int hold_write(struct hold *h, unsigned vcpu, const struct guest_regs *regs)
{
    struct hold_vcpu *v = &h->vcpus[vcpu];
    int r = -EBUSY;

    lock(h);
    if (is_still(h)) {
        memcpy(v->regs.v, regs->v, GUEST_WRITABLE * sizeof(regs->v[0]));
        v->changed = true;
        r = 0;
    }
    unlock(h);
    return r;
}

void hold_set_breaks(struct hold *h, const struct guest_break *breaks, unsigned n)
{
    lock(h);
    if (n > 0)
        memcpy(h->breaks, breaks, n * sizeof(*breaks));
    h->n_breaks = n;
    unlock(h);
    kick_all(h);
}

void hold_go(struct hold *h, uint64_t go, uint64_t step)
{
    lock(h);
    for (unsigned i = 0; i < h->n_vcpus; i++) {
        h->vcpus[i].go = ((go | step) >> i & 1) != 0;
        h->vcpus[i].step = (step >> i & 1) != 0;
    }
    (void)pthread_cond_broadcast(&h->changed);
    unlock(h);
}

bool hold_is_wanted(struct hold *h, unsigned vcpu)
{
    bool wanted;

    if (atomic_load(&h->reasons) == 0)
        return false;
    lock(h);
    wanted = must_stand(h, vcpu);
    unlock(h);
    return wanted;
}

bool hold_stand(struct hold *h, unsigned vcpu, struct guest_regs *regs)
{
    struct hold_vcpu *v = &h->vcpus[vcpu];
    bool changed;

    lock(h);
    v->regs = *regs;
    v->changed = false;
    v->standing = true;
    if (is_still(h))
        ring(h);
    while (must_stand(h, vcpu))
        (void)pthread_cond_wait(&h->changed, &h->lock);
    v->standing = false;
    changed = v->changed;
    *regs = v->regs;
    unlock(h);
    return changed;
}

bool hold_report(struct hold *h, const struct hold_hit *hit)
{
    bool attached;

    lock(h);
    attached = h->attached;
    if (attached) {
        if (h->hit.event == HOLD_NONE) /* the first of several at once is told */
            h->hit = *hit;
        atomic_fetch_or(&h->reasons, HOLD_DEBUGGER);
        none_goes(h);
    }
    unlock(h);
    if (attached)
        kick_all(h);
    return attached;
}

/* Who finds no debugger finds that it has left: the two change together. */
bool hold_report_trap(struct hold *h, unsigned vcpu)
{
    const struct hold_hit hit = {.event = HOLD_BREAK, .vcpu = vcpu};

    return hold_report(h, &hit) || atomic_load(&h->vcpus[vcpu].left);
}

void hold_enter(struct hold *h, unsigned vcpu)
{
    if (atomic_load(&h->vcpus[vcpu].left))
        atomic_store(&h->vcpus[vcpu].left, false);
}

bool hold_take_debug(struct hold *h, unsigned vcpu, struct hold_debug *ret)
{
    struct hold_vcpu *v = &h->vcpus[vcpu];
    bool fresh;

    lock(h);
    debug_of(h, vcpu, ret);
    /* Where a step begins is where it is asked for. */
    fresh = ret->step || memcmp(ret, &v->taken, sizeof(*ret)) != 0;
    v->taken = *ret;
    unlock(h);
    return fresh;
}
