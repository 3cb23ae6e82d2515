/*
 * cli/child.h - the one process that `bulkhead run` starts, and the byte streams to what is in it.
 *
 * Hosted, it is bulkhead-init, PID 1 of a namespace of its own; nested, it is QEMU. Either dies with
 * us, and with it all that it started. It inherits exactly these descriptors:
 *   0       /dev/null
 *   1, 2    what it says when something goes wrong (nested: also the outer kernel's console)
 *   3       a memfd: the configuration (hosted), the initramfs (nested)
 *   4 to 9  the streams, in the order of enum stream
 *   10 on   what else the caller hands down: back ends of NICs (nested: the images before)
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/macro.h"

enum stream {
    STREAM_REPORT, /* framed Report messages, from init */
    STREAM_COM1,
    STREAM_COM2,
    STREAM_COM3,
    STREAM_COM4,
    STREAM_VTL2, /* output of the script beside Bulkhead's processes */
    STREAM_COUNT,
};

enum {
    CHILD_FD_LOG = 1,
    CHILD_FD_MEMORY = 3,
    CHILD_FD_STREAMS = 4,
    CHILD_FD_EXTRA = CHILD_FD_STREAMS + STREAM_COUNT,
    CHILD_EXTRA_MAX = 133,
};

/* Descriptors for CHILD_FD_EXTRA and on; they stay the caller's. */
struct child_extra {
    int at[CHILD_EXTRA_MAX];
    unsigned n;
};

struct child {
    pid_t pid;
    int pidfd;                 /* readable when it is dead; -1: none */
    int streams[STREAM_COUNT]; /* our ends, non-blocking; -1 once closed */
    int log;                   /* our end of 1 and 2, non-blocking */
    int status;                /* as waitpid(2), once child_reap() returned true */
    bool reaped;
};

/*
 * Start argv[0], a path, with memory as descriptor 3; namespaces: as PID 1 of new PID and mount
 * namespaces. extra may be NULL. 0 and *ret, which child_end() takes apart, or negative errno.
 */
int MUST_USE child_start(char *const argv[], int memory, bool namespaces,
                         const struct child_extra *extra, struct child *ret);

/* Reap it if it is dead; true when it is. */
bool child_reap(struct child *c);

/* Let it end by itself for a moment, then kill it; reap it; close everything. */
void child_end(struct child *c);
