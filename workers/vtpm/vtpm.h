/*
 * workers/vtpm/vtpm.h - the TPM worker: registers, TPM, and what happens when either is killed.
 *
 * Two threads. The port thread answers accesses and executes short commands inside them. Long ones
 * go to the executor, which has the TPM to itself while one runs; all else is under worker->lock.
 *
 * What a successor needs is in three places, each written at once:
 *   region         TPM, command that is being executed, response that is not in the buffer yet;
 *                  committed when a command starts or ends, with the registers of that moment.
 *                  A command that leaves the TPM as it was, or that can be redone, is logged instead
 *   crb_shared     the registers since: a write changes nothing else and can be executed twice;
 *                  the supervisor's while no command runs (drivers/crb.h)
 *   NOTE_PUBLISHED number of the last response that is whole in the buffer
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "drivers/crb.h"
#include "workers/vtpm/command.h"
#include "workers/vtpm/redo.h"
#include "workers/vtpm/tpm.h"
#include "workers/worker.h"

enum {
    VTPM_SCHEMA = 1,
    VTPM_STATE_MAX = TPM_PERMANENT_BYTES_MAX + TPM_VOLATILE_BYTES_MAX + 2 * COMMAND_BYTES_MAX +
                     REDO_BYTES_MAX + 256,
};

/* The region's notes. */
enum {
    NOTE_PUBLISHED = 0,
};

/* A command as it was when START was written: copied once, then looked at. */
struct vtpm_command {
    uint8_t bytes[COMMAND_BYTES_MAX];
    uint32_t len; /* 0: none */
    uint8_t locality;
};

struct vtpm {
    struct worker *worker;     /* borrowed */
    struct crb_shared *shared; /* mapping */
    uint8_t *buffer;           /* mapping; guests write commands to it and read responses */
    struct crb crb;
    struct tpm tpm;
    struct vtpm_command command; /* being executed by the executor */
    struct redo redo;
    size_t redo_logged; /* bytes of redo that were there before the last command */
    uint8_t response[COMMAND_BYTES_MAX];
    uint32_t response_len; /* bytes that are not in the buffer yet; 0: none */
    uint32_t epoch;    /* of the last commit or record; shared registers of another one are stale */
    uint64_t number;   /* of the last command that was started */
    uint32_t code;     /* which one, for operators; 0: it had none */
    bool audited;      /* commands may be audited: none is read-only any more */
    uint64_t begun_ns; /* when START was written; 0: the answer is there, or somebody else saw it */
    bool exported;     /* the last command had the TPM exported */

    pthread_t executor;
    pthread_cond_t wake; /* there is a command for the executor */
    bool queued;         /* the executor has not taken it yet */
    bool executor_up;    /* it waits for work; setup() goes on */
    bool stopping;       /* the executor is to end */
    uint64_t taken_ns;   /* when it did */

    struct board_row *row_commands, *row_long, *row_cancelled, *row_refused, *row_poisoned;
    struct board_row *row_exports, *row_state_bytes, *row_restore_us, *row_rolled_back, *row_redone;
    struct board_row *row_took;
};

/* What the ops table in main.c is made of; see workers/worker.h. */
int MUST_USE vtpm_setup(void *self, struct worker *w);
int MUST_USE vtpm_load(void *self, struct rd *state, uint32_t schema);
enum access_result vtpm_access(void *self, const struct port_request *rq, bool poison,
                               struct port_response *rs);
void vtpm_save(void *self, struct wr *out);
void vtpm_log(void *self, struct wr *out);
void vtpm_released(void *self);

/* Make the TPM as it is now the export, or end this process: nothing may be acknowledged then. */
void vtpm_export_or_die(struct vtpm *v);

/* vtpm_setup() with mappings of the caller's, and its reverse: for tests. */
int MUST_USE vtpm_setup_mapped(struct vtpm *v, struct worker *w, void *shared, void *buffer);
void vtpm_done(struct vtpm *v);
