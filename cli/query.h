/*
 * cli/query.h - one question to a running VM whose answer is done, or why not.
 */
#pragma once

#include <stdbool.h>

#include "admin.pb-c.h"
#include "base/macro.h"

struct cli_args;

/*
 * Ask for what has no end: the caller reads answers, and closes the session. Says what fails; the exit status. query_next()
 * waits for an answer as long as any may take, and the caller frees it.
 */
int MUST_USE query_begin(const struct cli_args *args, const Bulkhead__AdminCall *call, int *ret_fd);
int MUST_USE query_next(int fd, Bulkhead__AdminAnswer **ret);

/* The same, for as long as it takes until there is something to tell. */
int MUST_USE query_follow(int fd, Bulkhead__AdminAnswer **ret);
/* Ask for what is done when it is answered. Says what fails; the exit status. */
int MUST_USE query_do(const struct cli_args *args, Bulkhead__AdminCall__Verb verb);

/* All processes, in one answer that the caller frees. Says what fails, if not quiet; the exit status. */
int MUST_USE query_processes(const struct cli_args *args, bool quiet, Bulkhead__AdminAnswer **ret);

/* The one of that name; NULL: it has nothing to do, and does not run. */
const Bulkhead__ProcessRow *query_row(const Bulkhead__AdminAnswer *processes, const char *name);

/* Replace the target by that program. Says why not, after about; the exit status. */
int MUST_USE query_restart(const struct cli_args *args, const char *about, int binary);

/* Ask for a change of a link. Says what fails; the exit status. */
int MUST_USE query_link(const struct cli_args *args, Bulkhead__LinkChange *change);

enum {
    QUERY_TEXT_BYTES = 64,
};

/*
 * The text that is published at path, in ret; empty: none is. Says what fails, if not quiet; the exit status.
 */
int MUST_USE query_text(const struct cli_args *args, bool quiet, const char *path,
                        char ret[QUERY_TEXT_BYTES]);

/* The same, with a file that comes along. */
int MUST_USE query_file(const struct cli_args *args, Bulkhead__AdminCall__Verb verb, int file);

/* Ask for a change of the disks; file comes along, -1: none. Says what fails; the exit status. */
int MUST_USE query_disk(const struct cli_args *args, Bulkhead__DiskChange *change, int file);
