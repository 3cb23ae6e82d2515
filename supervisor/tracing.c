#include "supervisor/tracing.h"

#include <errno.h>

#include "base/clock.h"

void tracing_init(struct tracing *t, struct board *board)
{
    t->board = board;
    t->row = board_add(board, BOARD_GAUGE, "tracing");
}

static void tell(struct tracing *t, bool on)
{
    atomic_store(&t->on, on);
    for (unsigned p = 0; p < PROCESS_COUNT; p++) {
        if (t->ports[p] != NULL)
            atomic_store(&t->ports[p]->page->tracing, on);
    }
    board_set(t->row, on);
    board_log(t->board, LOG_LEVEL_INFO, "a time line is %s",
              on ? "being made" : "not made any more");
}

int tracing_set(struct tracing *t, bool on, uint64_t now_ns)
{
    bool is_on = atomic_load(&t->on) != 0;

    if (t->refused)
        return -EPERM;
    t->until_ns = now_ns + TRACING_LEASE_MS * NS_PER_MS;
    if (on != is_on)
        tell(t, on);
    return 0;
}

void tracing_tick(struct tracing *t, uint64_t now_ns)
{
    if (atomic_load(&t->on) != 0 && t->until_ns <= now_ns)
        tell(t, false);
}
