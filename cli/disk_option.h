/*
 * cli/disk_option.h - a disk as its owner describes it: `--disk FILE,KEY=VALUE...`, or an object of a
 * configuration file. Nothing is looked at here; cli/disks.h does that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "cli/option.h"
#include "ipc/disks.h"

/* In the order of the words in disk_rows. */
enum disk_option_kind {
    DISK_OPTION_DISK,
    DISK_OPTION_DVD,
};

enum disk_option_format {
    DISK_OPTION_AUTO, /* as the name says */
    DISK_OPTION_RAW,
    DISK_OPTION_VHD,
    DISK_OPTION_VHDX,
    DISK_OPTION_RAM,
};

#define DISK_OPTION_ANY_LUN UINT64_MAX /* the next free one */

struct disk_option {
    const char *file;         /* NULL: none */
    struct text_list members; /* more files, of a stripe */
    unsigned kind;            /* enum disk_option_kind */
    unsigned format;          /* enum disk_option_format */
    uint64_t controller;
    uint64_t lun;
    bool read_only;
    const char *serial;            /* NULL: none */
    uint64_t block_bytes;          /* 0: not said */
    uint64_t physical_block_bytes; /* the same */
    uint64_t chunk_bytes;          /* the same */
    uint64_t ram_bytes;            /* the same */
    const char *identity;          /* what it follows from; NULL: the serial, or the file */
    const char *from;              /* who said so, in messages; NULL: the command line */
};

struct disk_list {
    struct disk_option *at; /* DISK_ROWS of them; NULL while there is none */
    size_t n;
};

enum {
    DISK_ROW_COUNT = 12,
};

/* The keys; offsets are those of struct disk_option. */
extern const struct option_row disk_rows[DISK_ROW_COUNT];

/* All as it is when nothing is said. */
struct disk_option disk_option_default(void);

/* Add a disk; -EINVAL and why when there are too many. */
int MUST_USE disk_option_add(struct disk_list *list, const struct disk_option *disk,
                             struct pool *pool, char why[OPTION_WHY_BYTES]);

/*
 * The first n_old disks were there before the others: those whose place one of the others says to be
 * its own go.
 */
void disk_option_override(struct disk_list *list, size_t n_old);

/*
 * Parse "FILE,KEY=VALUE,..." and add it. A comma in a value is written twice. Where the first part is
 * one of the keys, there is no FILE.
 */
int MUST_USE disk_option_parse(const char *text, struct disk_list *list, struct pool *pool,
                               char why[OPTION_WHY_BYTES]);
