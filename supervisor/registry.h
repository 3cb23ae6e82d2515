/*
 * supervisor/registry.h - every process the supervisor knows, as rows, and what happens to them.
 *
 * One row per process that init spawns for us. One that is idle has nothing to do in this VM: it is not started, and
 * nobody sees it. Else a row has a live generation, which serves or is
 * about to, and sometimes a standby, which will replace it. Events come from init (spawned,
 * verified, died), from the generation itself (ready) and from time (tick); each is one function,
 * and none waits for anybody.
 *
 *   starting --Ready, Verified--> running --death--> restarting --delay--> starting
 *   a device that runs has a spare: set up, jailed, verified, asleep; a death promotes it
 *   replacement: a standby of the new program; when verified, the live one is killed
 *   too many faults of a device: parked (a generation that serves only the device's own error)
 *   of a process without one (diag): restarted for ever, as slowly as it gets
 *   even that one dies of faults: dead (the port is marked gone; all-ones)
 *
 * One thread: the loop's. The vCPU threads use the ports only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"
#include "base/macro.h"
#include "ipc/dispatch.h"
#include "ipc/manifest.h"
#include "ipc/port.h"
#include "supervisor/captures.h"
#include "supervisor/debugger.h"
#include "supervisor/health.h"
#include "supervisor/history.h"
#include "supervisor/levels.h"
#include "supervisor/links.h"
#include "supervisor/tracing.h"

struct event;
struct event_base;
struct registry;

enum row_state {
    ROW_STARTING,
    ROW_RUNNING,
    ROW_RESTARTING, /* waits until retry_ns */
    ROW_PARKED,
    ROW_DEAD,
    ROW_STATES,
};

struct generation {
    struct registry *registry;
    uint32_t process; /* enum process */
    uint32_t number;  /* 0: there is none */
    int32_t pid;
    int channel; /* -1 until spawned */
    struct event *readable;
    uint64_t asked_ns;      /* when its start was asked for */
    uint64_t active_ns;     /* since when it serves; 0: not yet */
    uint64_t blamed_ns;     /* the same, for what waits: put off as that is (watch.h) */
    uint64_t leave_ns;      /* since when it is asked to end; 0: it is not */
    uint64_t deaf_ns;       /* since when its channel is closed; 0: it is not */
    enum death_cause cause; /* why we asked for its death; DEATH_BY_ITSELF: we did not */
    bool killed;            /* Kill was sent */
    bool ready;             /* it has said so */
    bool verified;          /* init has found its jail in order */
    char build_id[48];
    char sandbox[BOARD_TEXT_BYTES];
};

/* An operator waits for the end of a replacement, or for init's word about a disk. */
struct waiting_admin {
    bool waiting;
    uint32_t tag;
    uint32_t asker; /* a disk: diag's generation; the tag is only that one's */
    struct {        /* a disk: what is to become of which */
        enum event_kind kind;
        uint32_t controller, lun;
    } disk;
};

struct registry_row {
    bool idle; /* until registry_need(); set before registry_init() */
    enum row_state state;
    struct generation live, standby;
    uint32_t last_number; /* of the newest generation asked for */
    uint32_t n_deaths;    /* of generations that served */
    struct health health;
    uint64_t poison;
    bool tombstone;       /* parked: the live one serves errors only */
    unsigned tomb_faults; /* deaths of tombstones */
    uint64_t retry_ns;    /* ROW_RESTARTING: when */
    int binary;           /* program to run instead of the installed one; -1 */
    int standby_binary;   /* the standby's, until it is promoted */
    bool replacing;       /* the standby is to take over as soon as it is verified */
    uint64_t spare_ns;    /* no spare is made before */
    struct waiting_admin admin;
    struct port_client *port;           /* NULL: no port */
    const void *region;                 /* read-only mapping; NULL: none */
    uint64_t ping_ns;                   /* when the unanswered ping was sent; 0: none is out */
    uint64_t background, background_ns; /* long request being executed, and since when */
    uint64_t kicks_seen[64];            /* cold kicks per CPU at the last tick */
    uint32_t placed_cpu;                /* UINT32_MAX: wherever the scheduler likes */
    struct {
        struct board_row *state, *pid, *generation, *restarts, *faults, *since_ns;
        struct board_row *build_id, *last_death, *sandbox, *spare;
    } shown;
};

struct registry_callbacks {
    /* All rows run: once. */
    void (*all_running)(void *self);
    /* A row cannot be brought up in the first place; text says which, and how it ended. */
    void (*cannot_start)(void *self, const char *text);
    /* init is gone or speaks wrongly: nothing can go on. */
    void (*lost_init)(void *self);
    void *self;
};

struct registry {
    struct event_base *base;
    struct event *from_init;
    struct event *ticker;
    struct board *board;
    struct registry_row rows[PROCESS_COUNT]; /* used: those that registry_has() */
    struct registry_callbacks callbacks;
    struct waiting_admin disk_change; /* one at a time; init answers each */
    struct links links;
    struct captures captures;
    struct history history;
    struct tracing tracing;
    struct levels levels;
    struct debugger debugger;
    bool confidential; /* nothing of the guest's is shown or touched; set before registry_init() */
    bool announced;    /* all_running was called */
    uint64_t tick_ns;  /* of the last tick */
};

/* Is this a process the registry can run: one with a program, but the supervisor? */
bool registry_can_have(uint32_t process);

/* Is it one that it runs? */
bool registry_has(const struct registry *reg, uint32_t process);

/* Prepare rows and listen to init on FD_CONTROL. Ports, regions, links, captures and history are put in before. */
int MUST_USE registry_init(struct registry *reg, struct event_base *base, struct board *board,
                           const struct registry_callbacks *callbacks);

/* Ask init for the first generation of every row, and let time run. */
int MUST_USE registry_start(struct registry *reg);

/* There is something to do for a process: start it, unless it runs already. It never becomes idle again. */
void registry_need(struct registry *reg, uint32_t process);

/* Send one envelope to init; a failure is fatal and reported through lost_init. */
void registry_tell_init(struct registry *reg, const Bulkhead__Envelope *e, int fd);

/* (Re)arm the event that reads g's channel; after a generation moved, or got its channel. */
int MUST_USE registry_watch(struct generation *g);
