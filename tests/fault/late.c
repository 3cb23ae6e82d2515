/*
 * tests/fault/late.c - a worker that takes longer to start than most answers may take, as on a machine that is emulated and
 * busy: linked to its main.c.
 */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"

enum {
    LATE_S = 16,
};

int __real_fault_watch(struct board_page *page, uint32_t generation);
int __wrap_fault_watch(struct board_page *page, uint32_t generation);

int __wrap_fault_watch(struct board_page *page, uint32_t generation)
{
    static const struct timespec late = {.tv_sec = LATE_S};
    static uint32_t never;

    /* Its filter has no nanosleep. */
    (void)syscall(SYS_futex, &never, FUTEX_WAIT, 0, &late, NULL, 0);
    return __real_fault_watch(page, generation);
}
