/*
 * init/vm.h - one VM, as init holds it: from its configuration to the last reaped process.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "control.pb-c.h"
#include "init/disks.h"
#include "init/objects.h"
#include "init/place.h"
#include "init/process.h"
#include "init/report.h"
#include "init/shows.h"

struct vm {
    uint64_t born_ns; /* init's first instruction */
    struct event_base *base;
    struct place place;
    Bulkhead__VmConfig *config;
    struct objects objects;
    struct disks disks;
    struct procs procs;
    struct report report;
    struct shows shows;
    struct event *on_control, *on_child, *on_term, *on_look, *on_waiting;
    int control_fd; /* our end of the supervisor's channel */
    pid_t vtl2_pid; /* 0: no script runs */
    bool started;   /* the supervisor said so */
    bool over;
    Bulkhead__GuestEnd how; /* once over */
    char text[256];
};

/* Nothing open, nothing running; NULL when there is no memory for it. */
struct vm *vm_new(void);

/* Read the configuration, make the objects, start the supervisor. why says what failed. */
int MUST_USE vm_start(struct vm *vm, struct why *why);

/* The VM is over, once: leave the loop. Later ends are not heard. */
void vm_end(struct vm *vm, Bulkhead__GuestEnd how, const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * Kill and reap everything, remove what was made, and report how it ended; error: that it never
 * began. Frees it; accepts a half-made one.
 */
void vm_done(struct vm *vm, const char *error);

/* --- init/control.c: the supervisor's requests --- */

/* Watch the supervisor's channel, and tell it what it is to run. */
int MUST_USE control_open(struct vm *vm);

/* Handle what has arrived. */
void control_read(struct vm *vm);

/* Tell the supervisor; one that does not listen ends the VM. */
void control_running(struct vm *vm, struct proc *p);
void control_failed(struct vm *vm, enum process process, uint32_t generation, const char *error);
void control_died(struct vm *vm, const struct proc *p, int wait_status);
