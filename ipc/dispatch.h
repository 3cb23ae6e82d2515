/*
 * ipc/dispatch.h - the only code that looks at a message's type, descriptors and phase.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "ipc/channel.h"

struct dispatch_row {
    Bulkhead__Envelope__BodyCase type;
    unsigned min_fds, max_fds;
    unsigned phases; /* mask the owner of the table chooses */
    int (*handle)(void *self, struct channel_msg *m);
};

/*
 * Find the row for m, check it, run it. Frees m in every case.
 *   0          handled
 *   -EPROTO    unknown type, wrong number of descriptors, or wrong phase
 *   other <0   from the handler
 * Any error means: this peer broke the protocol. Never: exit.
 */
int MUST_USE dispatch(const struct dispatch_row *rows, size_t n_rows, unsigned phase, void *self,
                      struct channel_msg *m);
