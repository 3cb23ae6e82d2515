/*
 * tests/fault/dying_vmbus.c - the vmbus worker, which a message that moves a channel's interrupt crashes.
 *
 * Everything else is the real worker, by the linker's --wrap of vmbus_message().
 */
#include "base/rd.h"
#include "workers/vmbus/vmbus.h"

enum {
    MSG_MODIFY = 22,
};

bool __real_vmbus_message(struct vmbus *v, const struct vmbus_post *post,
                          enum hv_status *ret_status);
bool __wrap_vmbus_message(struct vmbus *v, const struct vmbus_post *post,
                          enum hv_status *ret_status);

/* Not static: addr2line says that it was here. */
void die_by_segv(void);

__attribute__((noinline)) void die_by_segv(void)
{
    volatile int *nowhere = NULL;

    *nowhere = 1;
}

bool __wrap_vmbus_message(struct vmbus *v, const struct vmbus_post *post,
                          enum hv_status *ret_status)
{
    struct rd r = rd_over(post->payload, sizeof(post->payload));

    if (rd_le32(&r) == MSG_MODIFY)
        die_by_segv();
    return __real_vmbus_message(v, post, ret_status);
}
