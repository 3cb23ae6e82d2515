/*
 * workers/diag/session.h - one operator's session: calls, one at a time, and their answers.
 *
 * Whoever carries it (local.h) brings calls and takes answers, one datagram after the other.
 */
#pragma once

#include <stdint.h>

#include "workers/diag/diag.h"

struct carrier {
    /* Take a datagram. 0; -EAGAIN: not now; another negative errno: the operator is gone. */
    int (*send)(struct session *s, const struct datagram *d);
    /* Call session_resume() when there is room, and others have had their turn. */
    void (*wait)(struct session *s);
    /* There is room again for what session_data() refused; may be NULL. */
    void (*hear)(struct session *s);
    /* The answer is complete; may be NULL. */
    void (*answered)(struct session *s);
    /* The session is free again. */
    void (*closed)(struct session *s);
};

/* A session in state SESSION_IDLE; carried is the carrier's. NULL: there are too many. */
struct session *session_open(struct diag *d, const struct carrier *carrier, void *carried,
                             const struct caller *caller);

/* May its caller do that? */
enum decision session_judge(const struct session *s, const struct rule *rule);

/* Take a call; only in SESSION_IDLE. fd, -1 when none came along, is borrowed. */
void session_call(struct session *s, const Bulkhead__AdminCall *call, int fd);

void session_resume(struct session *s);

void session_close(struct session *s);

/* Time has passed: look at logs again, and end what takes too long. */
void session_tick(struct session *s, uint64_t now_ns);

/* Does it watch a NIC, or is about to? */
bool session_captures(const struct session *s);

/* Does it want a time line? */
bool session_traces(const struct session *s);

/* One of the two: what comes is looked at often, and waits for nobody. */
bool session_watches(const struct session *s);

/* Is it a debugger's? */
bool session_debugs(const struct session *s);

/*
 * Bytes from whoever debugs, on their way to the debug worker. -EAGAIN: they are taken, and no more are before
 * carrier.hear is called; -EPROTO: no session for bytes, or too many at once.
 */
int MUST_USE session_data(struct session *s, const void *bytes, size_t len);

/* The supervisor has answered the request that the session waits for, or ends one that it had granted. */
void session_reply(struct session *s, const Bulkhead__AdminReply *reply);
