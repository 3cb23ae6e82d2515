#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/attack/evil.h"

static const struct attempt_table *const tables[] = {
    &attempts_paths, &attempts_peers, &attempts_victim, &attempts_kernel, &attempts_ring};

size_t attempt_count(void)
{
    size_t n = 0;

    for (size_t i = 0; i < COUNT_OF(tables); i++)
        n += tables[i]->n;
    return n;
}

const struct attempt *attempt_at(size_t i)
{
    for (size_t t = 0; t < COUNT_OF(tables); t++) {
        if (i < tables[t]->n)
            return &tables[t]->rows[i];
        i -= tables[t]->n;
    }
    return NULL;
}

size_t attempt_find(const char *what)
{
    size_t n = attempt_count();

    for (size_t i = 0; i < n; i++) {
        if (strcmp(attempt_at(i)->what, what) == 0)
            return i;
    }
    return n;
}

long evil_call(long call, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e,
               uintptr_t f)
{
    long r = syscall(call, a, b, c, d, e, f);

    return r < 0 ? -errno : r;
}
