/*
 * cli/outcome.h - what happened to a run, and the exit status and line that follow from it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control.pb-c.h"

/* Besides those of cli/say.h; bulkhead(1) lists them. */
enum {
    EXIT_RESET = 3,
    EXIT_PANIC = 4,
    EXIT_TRIPLE_FAULT = 5,
    EXIT_TIMEOUT = 124,
    EXIT_INTERNAL = 125, /* a part of Bulkhead, or what holds it, failed */
    EXIT_SIGNAL = 128,   /* and the signal's number */
    OUTCOME_TEXT_BYTES = 320,
};

struct outcome {
    /* What was asked for. */
    bool exec, vtl2_exec;
    /* What was seen; several may be. */
    bool left;      /* the person pressed Ctrl-A X */
    int signal;     /* that ended us; 0: none */
    bool no_reader; /* stdout was closed by its reader */
    bool timed_out;
    unsigned timeout_s;
    bool silent; /* nothing was heard of init for too long */
    unsigned silence_s;
    bool started;       /* all of Bulkhead was up */
    char waits_for[32]; /* before that: a process that was not ready; empty: not known */
    bool guest_ended;
    Bulkhead__GuestEnd how;
    char how_text[128];
    char error[256]; /* init could not go on; empty: none */
    bool script_done;
    int script_status;
    bool vtl2_done;
    int vtl2_status;
    bool child_gone;  /* init, or QEMU, is dead */
    int child_status; /* as waitpid(2) */
};

/*
 * The exit status. text says why in one line; empty when there is nothing to say: the status is a
 * script's own, or the guest powered off.
 */
int outcome_judge(const struct outcome *o, char text[OUTCOME_TEXT_BYTES]);

/* True for those ends after which console and kernel log are worth a look. */
bool outcome_is_failure(const struct outcome *o);
