/*
 * cli/options.h - command lines as tables: one row per option gives parsing, checking and --help.
 *
 * What is parsed borrows from argv and from a pool that options_done() frees. Nothing here prints or
 * exits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/macro.h"
#include "cli/disk_option.h"
#include "cli/net_option.h"
#include "cli/option.h"
#include "cli/pool.h"

enum run_mode {
    RUN_AUTO,
    RUN_HOSTED,
    RUN_NESTED,
};

/* When the guest resets itself. */
enum reboot_mode {
    REBOOT_RESTART,
    REBOOT_EXIT,
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
    const char *config;        /* a file of options; NULL: none */
    const char *vtl2_settings; /* a file; NULL: none */
    struct disk_list disks;
    struct net_list nets;
    struct pair_list devices; /* what the settings' devices are here */
    unsigned reboot;          /* enum reboot_mode */
    bool confidential;
    const char *operators; /* where they come in over the network; NULL: nowhere */
    const char *pki;       /* a folder of certificates; NULL: the usual one */

    /* for a running VM */
    const char *connect;  /* where its operators come in over the network; NULL: it is here */
    const char *identity; /* who we are there */

    /* inspect */
    bool watch;
    uint64_t depth; /* 0: all */

    /* logs, restart */
    bool follow;
    const char *binary;

    /* audit */
    bool verify;

    /* metrics */
    bool plain;

    /* pcap */
    const char *write;  /* a file, or "-"; NULL: stdout, unless it is a terminal */
    const char *filter; /* NULL: none */
    uint64_t snaplen;   /* bytes */
    uint64_t seconds;   /* 0: until it is stopped */

    /* pki */
    const char *dir; /* NULL: the default one */
    struct text_list hosts;
    unsigned role;             /* enum pki_role, or OPTION_UNSAID */
    uint64_t days;             /* 0: the default */
    const char *password_file; /* NULL: one is made */

    /* gdb */
    const char *listen; /* "ADDRESS:PORT"; NULL: the default */
    bool stdio;

    const char *target; /* the first positional argument; NULL: none was given */
    const char *detail; /* the second */
    struct pool pool;   /* what was made on the way */
};

struct command {
    const char *name;
    /* As help shows it: one word or two, each in brackets when optional; NULL: takes none. */
    const char *target;
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
    OPTIONS_ERROR_BYTES = 768,
};

/*
 * Parse argv (argv[0] is the command's name) into *ret, which starts from the defaults.
 *   0             parsed; options_done() frees
 *   OPTIONS_HELP  --help was among them
 *   -EINVAL       error holds one line that says what is wrong
 */
int MUST_USE options_parse(const struct command *command, int argc, char **argv,
                           struct cli_args *ret, char error[OPTIONS_ERROR_BYTES]);

/* Free what parsing made; fine on a zeroed struct. */
void options_done(struct cli_args *args);

/* The command's --help. */
void options_help(const struct command *command, FILE *out);
