/*
 * base/sandbox.h - what a process may ask of the kernel, as a table, and entering it.
 *
 * A profile is compiled at build time (tools/sbx-compile) into two BPF programs:
 *   start   what init installs before exec: all rows
 *   run     what the process itself installs when it is set up: rows without SBX_START
 * Both are in force from then on. Everything that no row names kills the process.
 *
 * Only EQ and MASKED_EQ on arguments: libseccomp 2.5.4 compiles some pairs of inequalities wrongly.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct sock_filter;

enum sbx_test {
    SBX_ANY,        /* any arguments */
    SBX_ARG_EQ,     /* argument arg, 64 bits, equals value */
    SBX_ARG32_EQ,   /* its low 32 bits equal value: what the kernel reads of ints (ioctl, flags) */
    SBX_ARG_MASKED, /* no bit of the argument outside value is set */
    SBX_ERRNO,      /* refused with errno value instead of death: libraries probe for it */
};

enum sbx_phase {
    SBX_RUN = 0,   /* allowed for good */
    SBX_START = 1, /* only until the process enters its run filter */
};

struct sbx_rule {
    const char *call; /* as libseccomp names it */
    enum sbx_test test;
    unsigned arg; /* 0 to 5 */
    uint64_t value;
    enum sbx_phase phase;
    const char *reason; /* who needs it; a rule without a reason does not compile */
};

struct sbx_profile {
    const char *name;
    const struct sbx_rule *rules;
    size_t n_rules;
};

/* One compiled BPF program. The instructions are static. */
struct sbx_program {
    const struct sock_filter *insns;
    uint16_t n_insns;
};

/* The two programs of one process kind. */
struct sbx_filter {
    struct sbx_program start;
    struct sbx_program run;
};

/*
 * Install one program on every thread of the process (TSYNC). Sets no_new_privs first.
 * Async-signal-safe. 0 or negative errno; nothing is installed on failure.
 */
int MUST_USE sbx_enter(const struct sbx_program *program);
