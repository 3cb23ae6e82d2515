/*
 * workers/diag/capture.h - frames of a NIC for an operator who watches it, cut into datagrams.
 *
 * The net worker's ring (ipc/capture.h) is read at the operator's pace: who is slower than the frames come loses some, and is
 * told how many. Whether a NIC's frames are put there at all, the supervisor is told, again each second for as long as
 * somebody watches.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ipc/capture.h"

struct diag;
struct datagram;

enum {
    CAPTURE_LOOK_MS = 10, /* between two looks at the ring: it holds what comes in more than that */
    CAPTURE_ASK_MS = 1000,      /* between two requests, well inside of what one is good for */
    CAPTURE_DATAGRAMS = 64,     /* at one look, at most */
    CAPTURE_PARTS = 96,         /* in a datagram, at most */
    CAPTURE_LOOKS = 64,         /* at what may be no frame, for one datagram */
    CAPTURE_PART_OVERHEAD = 48, /* tags, lengths and numbers */
};

/* What an answer is about and how far it has come. */
struct capture_answer {
    struct capture_reader reader;
    uint32_t bytes; /* of each frame, at most */
    bool is_told;   /* that it has begun */
    uint64_t told_lost;
    struct capture_record frame; /* being told: sent of its captured bytes are */
    uint32_t sent;
    uint8_t *frame_bytes; /* CAPTURE_FRAME_MAX, the session's */
};

/* What the supervisor was asked for, of one NIC. */
struct capture_wish {
    uint32_t bytes;
    uint64_t asked_ns;
};

/* The next datagram; ret->len stays 0 when there is nothing to say now. */
void capture_answer_next(struct capture_answer *c, struct datagram *ret);

/* How many bytes of each of that NIC's frames the sessions want, the greediest of them; 0: none does. */
uint32_t capture_wanted(const struct diag *d, uint32_t nic);

/* Tell the supervisor what sessions want by now, if that is news to it, or it was told long ago. */
void capture_ask(struct diag *d, uint64_t now_ns);
