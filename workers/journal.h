/*
 * workers/journal.h - what a worker keeps of itself in its region: state, answers, log.
 *
 * A message is the last answer of each slot, then the device's state as save() writes it. A record
 * of the log is one answer, then what log() writes.
 */
#pragma once

#include "workers/worker.h"

enum {
    JOURNAL_ANSWER_BYTES = 24, /* seq, data, effect */
    /* Besides the device's own state in a message. */
    JOURNAL_BYTES = 4 + PORT_SLOTS * JOURNAL_ANSWER_BYTES,
};

/*
 * Commit the state now, with the answers as they are; for state that changed without a request
 * (a second thread that finished). The caller holds w->lock.
 */
void journal_commit(struct worker *w);

/* Keep the answer of slot together with the change that access() reported: not ACCESS_CLEAN. */
void journal_answer(struct worker *w, unsigned slot, const struct port_response *rs,
                    enum access_result result);

/* Have the device load what the region holds. 0, or why it cannot: -EBADMSG, -ENOMEM, load()'s. */
int MUST_USE journal_load(struct worker *w);

/*
 * For load(): call take() with what log() wrote after the state that is being loaded, in order. 0, or
 * the first error; -EBADMSG when a record is not whole.
 */
int MUST_USE journal_each_record(struct worker *w, int (*take)(void *self, struct rd *record));
