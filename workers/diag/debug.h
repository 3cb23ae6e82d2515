/*
 * workers/diag/debug.h - what the debug worker says, for the operator who debugs, and what that operator says to it.
 *
 * There is one such session at a time, numbered by the supervisor. Bytes wait at whichever end does not take them: here are never
 * more than one datagram for each direction.
 */
#pragma once

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin.pb-c.h"
#include "base/macro.h"

struct datagram;
struct diag;
struct session;

/* diag's end of the stream. */
struct debug_link {
    int stream;              /* inherited, kept open */
    struct session *session; /* NULL: nobody debugs */
    uint32_t number;         /* the supervisor's */
    struct event readable, writable;
};

struct debug_answer {
    int stream;
    uint32_t number;
    bool is_told;   /* that it has begun */
    size_t unsaid;  /* bytes for the debug worker, in the session's frame */
    uint64_t heard; /* bytes that debug_hear() took */
};

/* DEBUG_NONE: the verb is none of a debugger's. */
Bulkhead__DebugKind debug_kind_of(Bulkhead__AdminCall__Verb verb);

int MUST_USE debug_init(struct diag *d);

/* The supervisor has granted it, as session number. */
void debug_begin(struct session *s, uint32_t number);

/* The next datagram; ret->len stays 0 when there is nothing to say now. */
void debug_answer_next(struct debug_answer *q, struct datagram *ret);

/* There was nothing: have session_resume() called when there is. Of no effect on other sessions. */
void debug_await(struct session *s);

/* As session_data() has it. */
int MUST_USE debug_say(struct session *s, const void *bytes, size_t len);

/*
 * The same of an operator whose bytes come in requests that may be made again: they are those from number at on.
 *   0        they are taken, or were already
 *   -EBUSY   not now: the ones before are still here
 *   -EPROTO  others are next, or too many at once
 */
int MUST_USE debug_hear(struct session *s, uint64_t at, const void *bytes, size_t len);

/* The session is over, if it was one: the supervisor is told. */
void debug_leave(struct session *s);

/* Tell the supervisor that nobody wants session number any more. */
void debug_tell_end(struct diag *d, uint32_t number);
