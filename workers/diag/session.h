/*
 * workers/diag/session.h - one operator's session, from accept to close.
 */
#pragma once

#include <stdint.h>

#include "workers/diag/diag.h"

/* Serve a connection; fd is owned from here on, also on failure: no free session, or not root. */
void session_open(struct diag *d, int fd);

void session_close(struct session *s);

/* Time has passed: look at logs again, and end what takes too long. */
void session_tick(struct session *s, uint64_t now_ns);

/* Does it watch a NIC, or is about to? */
bool session_captures(const struct session *s);

/* The supervisor has answered the request that the session waits for. */
void session_reply(struct session *s, const char *error);
