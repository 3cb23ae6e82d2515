#include "tests/sim/halt_poll.h"

#include <sched.h>
#include <sys/epoll.h>

#include "base/clock.h"

static const uint64_t GROW_START_NS = 10 * NS_PER_US;
static const uint64_t YIELD_ALONE_NS = 1500; /* at most, when nothing else could run */

static bool is_readable(int epoll_fd, int timeout_ms)
{
    struct epoll_event e;

    return epoll_wait(epoll_fd, &e, 1, timeout_ms) > 0;
}

static void tune(struct halt_poll *h, uint64_t halted_ns)
{
    uint64_t grown = h->poll_ns == 0 ? GROW_START_NS : h->poll_ns * 2;

    if (halted_ns > h->most_ns)
        h->poll_ns = 0;
    else if (halted_ns > h->poll_ns)
        h->poll_ns = grown < h->most_ns ? grown : h->most_ns;
}

/* Lets whatever else can run on this CPU do so. True when something did, by how long it took. */
static bool yield(void)
{
    uint64_t began_ns = clock_now_ns();

    (void)sched_yield();
    return clock_now_ns() > began_ns + YIELD_ALONE_NS;
}

static bool poll_until(int epoll_fd, uint64_t end_ns)
{
    while (clock_now_ns() < end_ns && !yield()) {
        if (is_readable(epoll_fd, 0))
            return true;
    }
    return false;
}

bool halt_poll_wait(struct halt_poll *h, int epoll_fd, int timeout_ms)
{
    uint64_t began_ns;
    bool readable;

    if (h->most_ns == 0)
        return is_readable(epoll_fd, timeout_ms);
    began_ns = clock_now_ns();
    readable = poll_until(epoll_fd, began_ns + h->poll_ns) || is_readable(epoll_fd, timeout_ms);
    tune(h, clock_now_ns() - began_ns);
    return readable;
}
