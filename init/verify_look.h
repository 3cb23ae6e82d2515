/*
 * init/verify_look.h - one look at one process, as the parts of the verifier share it.
 *
 * Private to init/verify.c and init/verify_files.c.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/macro.h"
#include "init/verify.h"

enum {
    VERIFY_TEXT_BYTES = 8192,
};

struct look {
    pid_t pid;
    int proc_fd; /* /proc/PID: names this process even if its number is used again */
    const struct verify_expect *expect;
    struct why *why;
};

/* A whole file of /proc as text, cut at out_len. 0 or negative errno. */
int MUST_USE verify_read_text(int dir_fd, const char *name, char *out, size_t out_len);

/* The text after "name:" and blanks, up to the end of its line; NULL when there is no such line. */
const char *verify_field(const char *text, const char *name, char out[VERIFY_LINK_BYTES]);

/* Its descriptors are those that were meant. 0, -EPERM and why, or what /proc failed with. */
int MUST_USE verify_files(const struct look *l);
