#include "cli/restarts.h"

#include "base/clock.h"

bool restarts_again(struct restarts *r, uint64_t now_ns, unsigned window_s)
{
    if (r->n == RESTARTS_MAX && now_ns - r->at_ns[r->next] < window_s * NS_PER_S)
        return false;
    r->at_ns[r->next] = now_ns;
    r->next = (r->next + 1) % RESTARTS_MAX;
    if (r->n < RESTARTS_MAX)
        r->n++;
    return true;
}
