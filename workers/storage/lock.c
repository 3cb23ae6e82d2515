#include <stddef.h>

#include "base/num.h"
#include "workers/storage/storage.h"

void list_append(struct request_list *list, struct request *q)
{
    q->next = NULL;
    q->prev = list->last;
    q->on = list;
    if (list->last != NULL)
        list->last->next = q;
    else
        list->first = q;
    list->last = q;
}

void list_remove(struct request *q)
{
    struct request_list *list = q->on;

    if (q->prev != NULL)
        q->prev->next = q->next;
    else
        list->first = q->next;
    if (q->next != NULL)
        q->next->prev = q->prev;
    else
        list->last = q->prev;
    q->on = NULL;
}

static bool changes_data(const struct request *q)
{
    return q->kind == SCSI_IO_WRITE || q->kind == SCSI_IO_ZERO || q->kind == SCSI_IO_SAME;
}

static bool moves_data(const struct request *q)
{
    return q->kind == SCSI_IO_ZERO;
}

/* A read takes part only where an image would give its place to other data. */
static bool takes_part(const struct request *q)
{
    return changes_data(q) || (q->kind == SCSI_IO_READ && q->unit->grows);
}

static bool excludes(const struct request *a, const struct request *b)
{
    if (!range_overlap(a->lock_from, a->lock_to - a->lock_from, b->lock_from,
                       b->lock_to - b->lock_from))
        return false;
    if (changes_data(a) && changes_data(b))
        return true;
    return moves_data(a) || moves_data(b);
}

static bool is_excluded(const struct request_list *list, const struct request *q)
{
    for (const struct request *other = list->first; other != NULL && other != q;
         other = other->next) {
        if (excludes(other, q))
            return true;
    }
    return false;
}

/* Also behind whoever waits already: what came first is done first. */
bool lock_take(struct request *q)
{
    if (!takes_part(q))
        return true;
    q->locked = true;
    if (is_excluded(&q->unit->active, q) || is_excluded(&q->unit->waiting, q)) {
        list_append(&q->unit->waiting, q);
        return false;
    }
    list_append(&q->unit->active, q);
    return true;
}

struct request *lock_release(struct request *q)
{
    struct unit *u = q->unit;
    struct request *ready = NULL;
    struct request **end = &ready;
    struct request *next;

    if (!q->locked)
        return NULL;
    q->locked = false;
    list_remove(q);
    for (struct request *w = u->waiting.first; w != NULL; w = next) {
        next = w->next;
        if (is_excluded(&u->active, w) || is_excluded(&u->waiting, w))
            continue;
        list_remove(w);
        list_append(&u->active, w);
        w->queue_next = NULL;
        *end = w;
        end = &w->queue_next;
    }
    return ready;
}
