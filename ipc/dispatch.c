#include "ipc/dispatch.h"

#include <errno.h>

static const struct dispatch_row *find(const struct dispatch_row *rows, size_t n_rows,
                                       Bulkhead__Envelope__BodyCase type)
{
    for (size_t i = 0; i < n_rows; i++) {
        if (rows[i].type == type)
            return &rows[i];
    }
    return NULL;
}

int dispatch(const struct dispatch_row *rows, size_t n_rows, unsigned phase, void *self,
             struct channel_msg *m)
{
    const struct dispatch_row *row = find(rows, n_rows, m->envelope->body_case);
    int r = -EPROTO;

    if (row != NULL && m->n_fds >= row->min_fds && m->n_fds <= row->max_fds &&
        (row->phases & phase) != 0)
        r = row->handle(self, m);
    channel_msg_done(m);
    return r;
}
