/*
 * cli/loopback.h - a port of this machine that nobody outside of it reaches.
 */
#pragma once

#include "base/macro.h"

enum {
    LOOPBACK_ERROR_BYTES = 256,
};

/*
 * Listen on "ADDRESS:PORT" for one connection; port 0: any. 0, *ret_fd and *ret_port; else the exit status, and error says in
 * one line what is wrong.
 */
int MUST_USE loopback_listen(const char *text, int *ret_fd, unsigned *ret_port,
                             char error[LOOPBACK_ERROR_BYTES]);
