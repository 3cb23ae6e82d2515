#include "cli/reboot.h"

#include "base/clock.h"

bool reboot_again(struct reboot_guard *guard, uint64_t now_ns)
{
    if (guard->n == REBOOT_MAX && now_ns - guard->at_ns[guard->next] < REBOOT_WINDOW_S * NS_PER_S)
        return false;
    guard->at_ns[guard->next] = now_ns;
    guard->next = (guard->next + 1) % REBOOT_MAX;
    if (guard->n < REBOOT_MAX)
        guard->n++;
    return true;
}
