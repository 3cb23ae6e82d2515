/*
 * cli/options.h - command lines as tables: one row per option gives parsing, checking and --help.
 *
 * Everything parsed borrows from argv. Nothing here prints or exits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/macro.h"

enum run_mode {
    RUN_AUTO,
    RUN_HOSTED,
    RUN_NESTED,
};

/* All that any subcommand can be told; a row says which field it fills. */
struct cli_args {
    const char *name;   /* of the VM */
    const char *socket; /* of its operators; NULL: follows from the name */
    bool json;
    bool verbose;

    /* run */
    unsigned mode; /* enum run_mode */
    const char *kernel;
    const char *initrd;
    const char *append;
    const char *programs; /* folder */
    const char *vtl2_kernel;
    const char *vtl2_image;
    const char *vtl2_exec;
    uint64_t vcpus;
    uint64_t memory_bytes;
    uint64_t timeout_s; /* 0: none */
    bool exec;

    /* logs, restart */
    bool follow;
    const char *binary;

    const char *target; /* the one positional argument; NULL: none was given */
};

enum option_kind {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char *, not empty */
    OPTION_NUMBER, /* uint64_t, decimal, min to max */
    OPTION_SIZE,   /* uint64_t bytes, with K, M, G or T */
    OPTION_CHOICE, /* unsigned: which word of value, "auto|hosted|nested" */
};

struct option_row {
    const char *name; /* the long one */
    char letter;      /* the short one; 0: none */
    enum option_kind kind;
    size_t offset;     /* of the field in struct cli_args */
    const char *value; /* as help shows it; NULL for a flag */
    const char *help;
    uint64_t min, max; /* OPTION_NUMBER */
};

struct command {
    const char *name;
    const char *target; /* as help shows it, in brackets when optional; NULL: takes none */
    const char *summary;
    const struct option_row *options;
    size_t n_options;
    /* Do it; returns the exit status. */
    int (*run)(const struct cli_args *args);
};

/* The subcommands, ended by a row without a name. */
extern const struct command commands[];

/* NULL: no such command. */
const struct command *command_find(const char *name);

enum {
    OPTIONS_HELP = 1,
    OPTIONS_ERROR_BYTES = 256,
};

/*
 * Parse argv (argv[0] is the command's name) into *ret, which starts from the defaults.
 *   0             parsed
 *   OPTIONS_HELP  --help was among them
 *   -EINVAL       error holds one line that says what is wrong
 */
int MUST_USE options_parse(const struct command *command, int argc, char **argv,
                           struct cli_args *ret, char error[OPTIONS_ERROR_BYTES]);

/* The command's --help. */
void options_help(const struct command *command, FILE *out);

/* Bytes of "64M", "2G", "1024"; -EINVAL for anything else, -EOVERFLOW past 64 bits. */
int MUST_USE options_size(const char *text, uint64_t *ret_bytes);
