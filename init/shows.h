/*
 * init/shows.h - init's own board: which processes run, what they use, of what they died, and a log.
 */
#pragma once

#include "base/board.h"
#include "base/macro.h"
#include "init/process.h"
#include "ipc/levels.h"

struct shows_process {
    struct board_row *pid, *generation, *starts, *deaths, *build_id, *program, *last_end;
    struct board_row *violations, *unverified, *cpu_us, *memory_bytes;
    uint64_t cpu_ns; /* of generations that have ended */
};

struct shows {
    struct board board;
    struct board_page *page;    /* owned mapping; NULL: nothing is shown */
    struct levels_page *levels; /* the same */
    struct shows_process processes[PROCESS_COUNT];
};

/* Map the board, and what says how much is logged; both borrowed. */
int MUST_USE shows_open(struct shows *s, int board, int levels);
void shows_done(struct shows *s);

/* How much CPU and memory all of them use by now. */
void shows_usage(struct shows *s, struct procs *procs);

void shows_running(struct shows *s, const struct proc *p);
void shows_failed(struct shows *s, const struct proc *p, const char *error);
void shows_died(struct shows *s, const struct proc *p, int wait_status);
void shows_verified(struct shows *s, const struct proc *p, const char *error);
/* The host has no ring for us, and why; disks are served all the same. */
void shows_plain(struct shows *s, const char *why);

void shows_line(struct shows *s, enum log_level level, const char *text);
