#include "supervisor/exit/crb_front.h"

int crb_front_init(struct crb_front *f, struct crb_shared *shared)
{
    *f = (struct crb_front){.shared = shared};
    return -pthread_mutex_init(&f->lock, NULL);
}

bool crb_front_write(struct crb_front *f, const struct vm_access *a)
{
    struct crb c;
    uint32_t epoch;
    unsigned events;

    if (f->stale || crb_shared_load(f->shared, &epoch, &c) < 0 || c.state == CRB_RUNNING)
        return false;
    events = crb_write(&c, (uint32_t)(a->addr - CRB_ADDR), a->size, a->data);
    if ((events & (CRB_STARTED | CRB_REFUSED)) != 0) /* refusals are the vtpm's to count */
        return false;
    if ((events & CRB_CHANGED) != 0)
        crb_shared_publish(f->shared, epoch, &c);
    return true;
}

void crb_front_forwarded(struct crb_front *f, bool answered)
{
    f->stale = !answered;
}
