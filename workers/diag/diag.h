/*
 * workers/diag/diag.h - the diag worker: sessions of operators, and what they are told.
 *
 * One thread. Sessions are bounded in number, in memory and in time; an operator that sends
 * nonsense or does not read loses the session, and nobody else notices.
 */
#pragma once

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"
#include "base/macro.h"
#include "ipc/manifest.h"
#include "workers/diag/answer.h"
#include "workers/diag/audit.h"
#include "workers/diag/caller.h"
#include "workers/diag/https.h"

enum {
    DIAG_SESSIONS = 16,
    DIAG_IDLE_MS = 60 * 1000,   /* without a call */
    DIAG_READ_MS = 10 * 1000,   /* to take one datagram */
    DIAG_REPLY_MS = 10 * 1000,  /* for the supervisor, to do what was asked */
    DIAG_FOLLOW_MS = 200,       /* between two looks at the logs */
    DIAG_FOLLOW_DATAGRAMS = 16, /* at one look, at most */
    /* The same for a restart: the supervisor gives up who does not start. */
    DIAG_RESTART_MS = START_DEADLINE_MS + DIAG_REPLY_MS,
};

enum session_state {
    SESSION_FREE,
    SESSION_IDLE,      /* waits for a call */
    SESSION_ANSWERING, /* one datagram after the other; a follower between two looks too */
    SESSION_WAITING,   /* for the supervisor */
};

struct diag;
struct carrier;

struct session {
    struct diag *diag;
    enum session_state state;
    const struct carrier *carrier;
    void *carried; /* the carrier's */
    struct caller caller;
    uint64_t deadline_ns;
    uint32_t tag; /* SESSION_WAITING: of the request */
    struct question question;
    struct datagram datagram;         /* made and not yet taken */
    uint8_t frame[CAPTURE_FRAME_MAX]; /* being told; no page of it is there before one is */
};

/* A connection of root on this machine. */
struct local {
    struct session *session; /* NULL: there is none */
    int fd;                  /* owned */
    struct event readable, writable;
};

struct diag {
    struct event_base *base;
    struct board *board;                            /* borrowed */
    const struct board_page *boards[PROCESS_COUNT]; /* read-only mappings */
    const struct capture_page *capture;             /* the same */
    const struct records_page *records;             /* the same */
    const struct trace_ring *traces[PROCESS_COUNT]; /* the same; NULL: it has none */
    struct capture_wish wishes[NETS_MAX];
    struct trace_wish trace_wish;
    struct debug_link debug;
    int listener, control; /* inherited, kept open */
    struct event accepting, from_supervisor, tick;
    struct session sessions[DIAG_SESSIONS];
    struct local locals[DIAG_SESSIONS];
    const struct network *network; /* NULL: nobody comes over the network */
    struct https https;            /* its own; else zeros */
    struct audit audit;
    struct revoked_page *revoked; /* borrowed */
    bool confidential;
    unsigned n_sessions;
    uint32_t next_tag;
    int failed; /* why the loop was left; 0: it was not */
    struct board_row *row_sessions, *row_calls, *row_refused, *row_dropped, *row_denied,
        *row_strangers, *row_peers;
};

/* Before the run filter: make the loop. listener and control are borrowed. 0 or negative errno. */
int MUST_USE diag_init(struct diag *d, int listener, int control);

/* The same, for those who come over the network. 0, or negative errno and why. */
int MUST_USE diag_let_in(struct diag *d, const struct network *network, int listener,
                         const struct tls_page *page, const char **ret_why);

/* Serve until the supervisor is gone; returns why, a negative errno. */
int MUST_USE diag_run(struct diag *d, struct board *board);

/* A session has come: look at it now and then. Without any the worker sleeps. */
void diag_schedule(struct diag *d);

void diag_done(struct diag *d);
