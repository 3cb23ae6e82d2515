#include "supervisor/traps.h"

#include <errno.h>
#include <string.h>

static const uint8_t TRAP[TRAP_BYTES] = {0xe6, TRAP_PORT};

int traps_add(struct traps *t, uint64_t at)
{
    struct trap trap = {.at = {at}};
    int r;

    if (t->n == COUNT_OF(t->list))
        return -ENOBUFS;
    if (at % GMEM_PAGE_BYTES > GMEM_PAGE_BYTES - TRAP_BYTES)
        return -EFAULT;
    r = gmem_copy_in(t->memory, trap.at, trap.before, TRAP_BYTES);
    if (r == 0)
        r = gmem_copy_out(t->memory, trap.at, TRAP, TRAP_BYTES);
    if (r == 0)
        t->list[t->n++] = trap;
    return r;
}

/* The last first: two may overlap. */
void traps_clear(struct traps *t)
{
    while (t->n > 0) {
        const struct trap *trap = &t->list[--t->n];
        uint8_t now[TRAP_BYTES];

        if (gmem_copy_in(t->memory, trap->at, now, TRAP_BYTES) == 0 &&
            memcmp(now, TRAP, TRAP_BYTES) == 0)
            (void)!gmem_copy_out(t->memory, trap->at, trap->before, TRAP_BYTES);
    }
}
