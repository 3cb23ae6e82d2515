/*
 * workers/vtpm/state.h - the TPM worker's state as bytes: messages and records, and back.
 */
#pragma once

#include "workers/vtpm/vtpm.h"

enum {
    VTPM_FLAG_AUDITED = 1 << 0,
};

/* What a message holds that is not yet in the struct vtpm that it was read into; it borrows. */
struct vtpm_saved {
    uint32_t flags;
    uint32_t locality;
    struct span command, permanent, volatile_state;
};

/* Read a message. 0 or -EBADMSG; *v is of no use then. */
int MUST_USE vtpm_parse_state(struct vtpm *v, struct rd *in, struct vtpm_saved *ret);

/* Read a record that follows it; the same. For journal_each_record(). */
int MUST_USE vtpm_take_record(void *self, struct rd *in);
