/*
 * workers/diag/records.h - events and crashes for an operator: what ipc/records.h holds, cut into datagrams.
 *
 * Asks nobody. Whoever follows gets what comes at the next look, and is told how many events were too many.
 */
#pragma once

#include <stdint.h>

#include "ipc/manifest.h"
#include "ipc/records.h"

struct datagram;

enum {
    RECORDS_ANSWER_EVENTS = 64, /* in one datagram, at most; the longest ones fit */
    RECORDS_ANSWER_CRASHES = 6,
};

/* What an answer is about and how far it has come. */
struct records_answer {
    const struct records_page *page; /* borrowed */
    struct records_cursor cursor;
    unsigned about;  /* enum process; PROCESS_COUNT: all, and the VM */
    uint64_t number; /* of the one crash that is asked for; 0: all */
    uint64_t told_lost;
};

/* The next datagram of events. ret->len stays 0 when there is nothing to say to a follower. */
void records_answer_events(struct records_answer *a, bool follow, struct datagram *ret);

/* The next datagram of crashes. */
void records_answer_crashes(struct records_answer *a, struct datagram *ret);
