/*
 * workers/diag/local.h - sessions of root on this machine: datagrams on a UNIX socket.
 */
#pragma once

#include "workers/diag/diag.h"

/* Serve a connection; fd is owned from here on, also on failure: no free session, or not root. */
void local_open(struct diag *d, int fd);
