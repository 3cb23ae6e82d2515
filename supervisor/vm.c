#include "supervisor/vm.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void vm_end(struct vm *vm, Bulkhead__GuestEnd how, const char *fmt, ...)
{
    static const uint64_t one = 1;
    uint32_t running = BULKHEAD__GUEST_END__GUEST_END_UNKNOWN;
    va_list args;

    if (!atomic_compare_exchange_strong(&vm->ended, &running, (uint32_t)how))
        return;
    va_start(args, fmt);
    (void)vsnprintf(vm->end_text, sizeof(vm->end_text), fmt, args);
    va_end(args);
    (void)!write(vm->end_fd, &one, sizeof(one)); /* an eventfd that nobody else writes */
}

bool vm_has_ended(const struct vm *vm)
{
    return atomic_load_explicit(&vm->ended, memory_order_relaxed) !=
           BULKHEAD__GUEST_END__GUEST_END_UNKNOWN;
}
