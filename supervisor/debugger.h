/*
 * supervisor/debugger.h - the guest stands still for an operator, or is at a debugger's hands.
 *
 * An operator pauses and resumes it through diag. A debugger's session is begun and ended through diag, too; what it does
 * comes from the debug worker, which is started for the first one. A session ends with either of them: then no break and
 * no stop of it is left, and the guest runs on unless an operator has paused it.
 *
 * One thread: the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"
#include "base/macro.h"
#include "control.pb-c.h"
#include "ipc/channel.h"
#include "supervisor/traps.h"
#include "supervisor/vcpu/hold.h"

struct registry;

enum {
    DEBUGGER_STOP_MS = 5000,  /* for a vCPU to get its device's answer and stand */
    DEBUGGER_START_MS = 9000, /* for the worker; whoever waits for the answer waits 10 s */
};

/* An operator waits for an answer that comes later. */
struct debugger_asker {
    bool waiting;
    uint32_t tag;
    uint32_t asker; /* diag's generation; the tag is only that one's */
};

struct debugger {
    struct hold *hold; /* borrowed; NULL: there is no guest that could stand */
    unsigned vcpus;
    uint64_t memory_bytes; /* of the guest */
    struct debugger_asker pause;
    uint64_t pause_ns;
    uint32_t session; /* 0: none */
    uint32_t last_session;
    Bulkhead__DebugKind kind;
    struct debugger_asker owner; /* of the session; waiting: it has not been begun */
    uint64_t asked_ns;
    uint32_t worker; /* the debug worker's generation that has it; 0: none yet */
    bool stopping;   /* it has asked for a stop, and was not told of one */
    bool going;      /* it lets the guest run, and was not told of a stop */
    struct traps traps;
    struct board_row *row_state;
    bool was_paused; /* by an operator, as events have it */
};

/* Before the loop runs. */
void debugger_init(struct registry *reg, struct hold *hold, unsigned vcpus, uint64_t memory_bytes);

/* Where debug registers stop nobody: breaks are traps in that memory. */
void debugger_use_traps(struct registry *reg, const struct gmem *memory);

/* What diag asks for, as admin.c has it: "" for done, NULL for an answer that comes later. */
const char *debugger_pause(struct registry *reg, uint32_t tag);
const char *debugger_resume(struct registry *reg);
const char *debugger_begin(struct registry *reg, uint32_t tag, Bulkhead__DebugKind kind);
const char *debugger_end(struct registry *reg, uint32_t session);

/* What that generation of the debug worker asks for. -EPROTO: it may not. */
int MUST_USE debugger_request(struct registry *reg, uint32_t generation, struct channel_msg *m);

/* The last vCPU stands. */
void debugger_still(struct registry *reg);

/* Time has passed, and generations may have come and gone. */
void debugger_tick(struct registry *reg, uint64_t now_ns);
