#include "ipc/port.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    HANDOVER_YIELDS = 8,     /* perf.md: then a futex sleep costs less */
    CLIENT_SPIN_NS = 100000, /* a little more than waking a sleeper on another CPU takes */
    SERVER_SPIN_NS = 50000,  /* only while requests keep coming that fast */
};

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
    return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static uint32_t this_cpu(void)
{
    return (uint32_t)sched_getcpu(); /* from the rseq area: no system call */
}

static void relax(void)
{
    __builtin_ia32_pause();
}

/* --- requester --- */

void port_client_init(struct port_client *c, struct port_page *page, int bell_fd)
{
    memset(c, 0, sizeof(*c));
    c->page = page;
    c->bell_fd = bell_fd;
    page->magic = PORT_MAGIC;
}

void port_ring(struct port_client *c)
{
    static const uint64_t one = 1;
    uint32_t sleep = atomic_load(&c->page->sleep);

    if (sleep == PORT_AWAKE)
        return;
    atomic_fetch_add(&c->page->bell, 1);
    if (sleep == PORT_ASLEEP_FUTEX)
        (void)futex(&c->page->bell, FUTEX_WAKE, INT_MAX, NULL);
    else if (c->bell_fd >= 0)
        (void)!write(c->bell_fd, &one, sizeof(one)); /* full means already rung */
}

void port_post(struct port_client *c, unsigned slot, const struct port_request *rq)
{
    struct port_slot *s = &c->page->slots[slot];
    uint64_t seq = atomic_load_explicit(&c->seq[slot], memory_order_relaxed) + 1;
    uint32_t cpu = this_cpu();

    atomic_store_explicit(&c->posted_ns[slot], clock_now_ns(), memory_order_relaxed);
    atomic_store_explicit(&c->seq[slot], seq, memory_order_release);
    s->addr = rq->addr;
    s->data = rq->data;
    s->op = rq->op;
    s->space = rq->space;
    s->size = rq->size;
    atomic_store_explicit(&s->req_cpu, cpu, memory_order_relaxed);
    atomic_store_explicit(&s->req_seq, seq, memory_order_release);
    atomic_fetch_or(&c->page->pending, UINT64_C(1) << slot);
    if (atomic_load(&c->page->sleep) != PORT_AWAKE) {
        atomic_fetch_add_explicit(&c->cold_kicks[cpu % 64], 1, memory_order_relaxed);
        port_ring(c);
    }
}

static bool port_answered(const struct port_client *c, unsigned slot)
{
    return atomic_load_explicit(&c->page->slots[slot].rsp_seq, memory_order_acquire) ==
           atomic_load_explicit(&c->seq[slot], memory_order_relaxed);
}

/* In the order in which they are written: the time is of seq's request or of a newer one, and so is the answer. */
uint64_t port_waiting_since(const struct port_client *c, unsigned slot)
{
    uint64_t seq = atomic_load_explicit(&c->seq[slot], memory_order_acquire);
    uint64_t since = atomic_load_explicit(&c->posted_ns[slot], memory_order_relaxed);
    uint64_t answered = atomic_load_explicit(&c->page->slots[slot].rsp_seq, memory_order_acquire);

    if (answered == seq || atomic_load_explicit(&c->seq[slot], memory_order_relaxed) != seq)
        return 0;
    return since;
}

void port_excuse(struct port_client *c, uint64_t ns)
{
    for (unsigned slot = 0; slot < PORT_SLOTS; slot++)
        (void)atomic_fetch_add_explicit(&c->posted_ns[slot], ns, memory_order_relaxed);
}

/* Hand over or spin, as the server's place suggests. True when the answer came. */
static bool client_poll(struct port_client *c, unsigned slot)
{
    uint64_t end;

    if (atomic_load_explicit(&c->page->server_cpu, memory_order_relaxed) == this_cpu()) {
        for (int i = 0; i < HANDOVER_YIELDS; i++) {
            if (port_answered(c, slot))
                return true;
            (void)sched_yield();
        }
        return port_answered(c, slot);
    }
    end = clock_now_ns() + CLIENT_SPIN_NS;
    do {
        for (int i = 0; i < 32; i++) {
            if (port_answered(c, slot))
                return true;
            relax();
        }
    } while (clock_now_ns() < end);
    return false;
}

static void client_sleep(struct port_client *c, unsigned slot, uint64_t for_ns)
{
    struct port_slot *s = &c->page->slots[slot];
    struct timespec timeout = clock_timespec(for_ns);
    uint32_t seen = atomic_load(&s->rsp_futex);

    atomic_store(&s->req_asleep, 1);
    if (!port_answered(c, slot) && !atomic_load(&c->gone))
        (void)futex(&s->rsp_futex, FUTEX_WAIT, seen, &timeout);
    atomic_store(&s->req_asleep, 0);
}

/* So that a device that is revived later does not execute what the guest has long given up. */
static void client_retract(struct port_client *c, unsigned slot)
{
    uint64_t seq = atomic_load_explicit(&c->seq[slot], memory_order_relaxed);

    atomic_store(&c->page->slots[slot].rsp_seq, seq);
}

int port_wait(struct port_client *c, unsigned slot, uint64_t deadline_ns, struct port_response *ret)
{
    const struct port_slot *s = &c->page->slots[slot];

    while (!client_poll(c, slot)) {
        uint64_t now = clock_now_ns();

        if (atomic_load(&c->gone)) {
            client_retract(c, slot);
            return -EHOSTDOWN;
        }
        if (now >= deadline_ns)
            return -ETIMEDOUT;
        client_sleep(c, slot, deadline_ns - now);
    }
    *ret = (struct port_response){.seq = atomic_load_explicit(&c->seq[slot], memory_order_relaxed),
                                  .data = s->rsp_data,
                                  .effect = s->rsp_effect};
    return 0;
}

void port_set_gone(struct port_client *c, bool gone)
{
    atomic_store(&c->gone, gone);
    if (!gone)
        return;
    for (unsigned i = 0; i < PORT_SLOTS; i++)
        (void)futex(&c->page->slots[i].rsp_futex, FUTEX_WAKE, INT_MAX, NULL);
}

void port_ping(struct port_client *c)
{
    atomic_fetch_add(&c->page->ping, 1);
    port_ring(c);
}

bool port_ponged(const struct port_client *c)
{
    return atomic_load(&c->page->pong) == atomic_load(&c->page->ping);
}

void port_ask_to_leave(struct port_client *c, uint32_t generation)
{
    atomic_store(&c->page->leaving, generation);
    port_ping(c); /* it does not go to sleep before it has looked */
}

uint32_t port_section(const struct port_client *c)
{
    atomic_thread_fence(memory_order_seq_cst); /* what changed is seen by whoever enters later */
    return atomic_load(&c->page->section);
}

bool port_section_left(const struct port_client *c, uint32_t seen)
{
    return seen % 2 == 0 || atomic_load_explicit(&c->page->section, memory_order_acquire) != seen;
}

void port_server_died(struct port_client *c)
{
    uint32_t in = atomic_load(&c->page->section);

    c->page->magic = PORT_MAGIC;
    if (in % 2 != 0)
        atomic_store(&c->page->section, in + 1);
}

/* --- server --- */

int port_server_init(struct port_server *s, struct port_page *page, enum port_sleep mode)
{
    if (page->magic != PORT_MAGIC)
        return -EBADMSG;
    *s = (struct port_server){.page = page, .mode = mode, .peer_cpu = UINT32_MAX};
    atomic_store(&page->sleep, PORT_AWAKE);
    atomic_store(&page->server_cpu, this_cpu());
    for (unsigned i = 0; i < PORT_SLOTS; i++) {
        if (atomic_load(&page->slots[i].req_seq) != atomic_load(&page->slots[i].rsp_seq))
            s->todo |= UINT64_C(1) << i;
    }
    port_pong(s);
    return 0;
}

bool port_take(struct port_server *s, unsigned *ret_slot, struct port_request *ret)
{
    if (s->todo == 0 && atomic_load_explicit(&s->page->pending, memory_order_relaxed) != 0)
        s->todo = atomic_exchange(&s->page->pending, 0);
    while (s->todo != 0) {
        unsigned slot = (unsigned)__builtin_ctzll(s->todo);
        const struct port_slot *p = &s->page->slots[slot];
        uint64_t seq = atomic_load_explicit(&p->req_seq, memory_order_acquire);

        s->todo &= s->todo - 1;
        if (seq == atomic_load_explicit(&p->rsp_seq, memory_order_relaxed))
            continue; /* taken before, or taken over from a generation that answered it */
        *ret = (struct port_request){.seq = seq,
                                     .addr = p->addr,
                                     .data = p->data,
                                     .op = p->op,
                                     .space = p->space,
                                     .size = p->size};
        s->peer_cpu = atomic_load_explicit(&p->req_cpu, memory_order_relaxed);
        *ret_slot = slot;
        return true;
    }
    return false;
}

void port_answer(struct port_server *s, unsigned slot, const struct port_response *rs)
{
    struct port_slot *p = &s->page->slots[slot];

    p->rsp_data = rs->data;
    p->rsp_effect = rs->effect;
    atomic_store(&p->rsp_seq, rs->seq);
    if (atomic_load(&p->req_asleep) != 0)
        (void)futex(&p->rsp_futex, FUTEX_WAKE, INT_MAX, NULL);
    s->last_ns = 0; /* set by port_poll, which knows the time anyway */
}

void port_pong(struct port_server *s)
{
    uint32_t ping = atomic_load_explicit(&s->page->ping, memory_order_relaxed);

    if (atomic_load_explicit(&s->page->pong, memory_order_relaxed) != ping)
        atomic_store(&s->page->pong, ping);
}

bool port_is_to_leave(const struct port_server *s, uint32_t generation)
{
    return atomic_load_explicit(&s->page->leaving, memory_order_acquire) == generation;
}

static bool has_work(const struct port_server *s)
{
    return s->todo != 0 || atomic_load_explicit(&s->page->pending, memory_order_acquire) != 0;
}

/* Spin for the peer on another CPU, but only while its last request is fresh. */
static bool server_spin(struct port_server *s)
{
    uint64_t now = clock_now_ns();
    uint64_t end;

    if (s->last_ns == 0)
        s->last_ns = now;
    end = s->last_ns + SERVER_SPIN_NS;
    for (; now < end; now = clock_now_ns()) {
        for (int i = 0; i < 32; i++) {
            if (has_work(s))
                return true;
            relax();
        }
    }
    return has_work(s);
}

bool port_poll(struct port_server *s)
{
    uint32_t cpu = this_cpu();

    if (atomic_load_explicit(&s->page->server_cpu, memory_order_relaxed) != cpu)
        atomic_store_explicit(&s->page->server_cpu, cpu, memory_order_relaxed);
    if (s->peer_cpu == UINT32_MAX)
        return has_work(s);
    if (s->peer_cpu != cpu)
        return server_spin(s);
    for (int i = 0; i < HANDOVER_YIELDS; i++) {
        if (has_work(s))
            return true;
        port_pong(s); /* where many share the CPU it comes back late */
        (void)sched_yield();
    }
    return has_work(s);
}

bool port_sleep_begin(struct port_server *s)
{
    atomic_store(&s->page->sleep, s->mode);
    if (!has_work(s) && atomic_load(&s->page->ping) == atomic_load(&s->page->pong))
        return true;
    atomic_store(&s->page->sleep, PORT_AWAKE);
    return false;
}

void port_sleep_end(struct port_server *s)
{
    atomic_store(&s->page->sleep, PORT_AWAKE);
}

void port_sleep(struct port_server *s, uint64_t timeout_ns)
{
    struct timespec timeout = clock_timespec(timeout_ns);
    uint32_t seen = atomic_load(&s->page->bell);

    if (!port_sleep_begin(s))
        return;
    (void)futex(&s->page->bell, FUTEX_WAIT, seen, &timeout);
    port_sleep_end(s);
}
