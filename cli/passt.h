/*
 * cli/passt.h - passt(1): the host's network for a VM without privileges, as a program on a stream.
 *
 * It reads and writes frames on the stream, each after its length, and ends when the other side is gone.
 * As root it becomes nobody, and so forgets what we ask of every child, to die with us: then the stream's
 * end is what it ends by.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/macro.h"
#include "cli/nets.h"

enum {
    PASST_WHY_BYTES = 256,
};

struct passt {
    pid_t pid;
    int pidfd; /* readable when it is dead; -1: none */
    int ready; /* readable once it serves */
    int words; /* what it says */
};

/* Start program, a path, on the stream, which stays the caller's. 0 and *ret, or negative errno. */
int MUST_USE passt_start(const char *program, const struct net_plan *net, int stream,
                         struct passt *ret);

/* Wait until it serves. 0; -ECHILD: it ended, -ETIMEDOUT: it did neither, and why is one line of its. */
int MUST_USE passt_wait(const struct passt *p, char why[PASST_WHY_BYTES]);

/* The last line that it said; empty: none. */
void passt_last_words(const struct passt *p, char text[PASST_WHY_BYTES]);

/* Kill it; its pidfd tells when it is dead. */
void passt_kill(const struct passt *p);

/* End it, if it has not ended; reap it; close everything. Fine without one (pidfd -1). */
void passt_end(struct passt *p);
