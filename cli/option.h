/*
 * cli/option.h - one row per option: what it is called, what it may be, and which field it fills.
 *
 * The same rows are read for a command line, for --help, for a configuration file and for its
 * schema. A row's offset counts from the struct that its table belongs to.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "cli/pool.h"
#include "ipc/disks.h"

enum option_kind {
    OPTION_FLAG,    /* bool */
    OPTION_TEXT,    /* const char *, not empty */
    OPTION_PATH,    /* the same: a file, in a configuration file relative to that file's folder */
    OPTION_NUMBER,  /* uint64_t, decimal, min to max */
    OPTION_NUMBERS, /* uint64_t, one of value, "512|4096" */
    OPTION_SIZE,    /* uint64_t bytes, with K, M, G or T */
    OPTION_CHOICE,  /* unsigned: which word of value, "auto|hosted|nested" */
    OPTION_TEXTS,   /* struct text_list; repeatable */
    OPTION_PATHS,   /* the same, of files */
    OPTION_PAIRS,   /* struct pair_list of "NAME=FILE"; repeatable */
    OPTION_DISKS,   /* struct disk_list; repeatable */
    OPTION_NETS,    /* struct net_list; repeatable */
};

struct option_row {
    const char *name; /* the long one */
    char letter;      /* the short one; 0: none */
    enum option_kind kind;
    size_t offset;     /* of the field */
    const char *value; /* as help shows it; NULL for a flag */
    const char *help;
    uint64_t min, max; /* OPTION_NUMBER */
    const char *key;   /* in a configuration file; NULL: the name */
};

enum {
    OPTION_TEXTS_MAX = DISK_MEMBERS,
    OPTION_PAIRS_MAX = 1024,
    OPTION_WHY_BYTES = 384,
};

/* What an OPTION_CHOICE may have where no word is the default. */
static const unsigned OPTION_UNSAID = UINT_MAX;

struct text_list {
    const char *at[OPTION_TEXTS_MAX];
    size_t n;
};

struct pair {
    const char *name;
    const char *file;
};

struct pair_list {
    struct pair *at; /* OPTION_PAIRS_MAX of them; NULL while there is none */
    size_t n;
};

/* `return option_wrong(why, "...")`: says it and is -EINVAL. */
int option_wrong(char why[OPTION_WHY_BYTES], const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Set the row's field of base to what the text says; a NULL text is a flag's. The field borrows the
 * text, or has a copy in the pool. -EINVAL: why holds what is wanted instead, without the option's
 * name.
 */
int MUST_USE option_set(const struct option_row *row, const char *text, void *base,
                        struct pool *pool, char why[OPTION_WHY_BYTES]);

/* Which word of "a|b|c" it is; -EINVAL: none of them. */
int MUST_USE option_choice(const char *text, const char *choices, unsigned *ret);

/* A decimal number and nothing else. */
int MUST_USE option_number(const char *text, uint64_t *ret);

/* Bytes of "64M", "2G", "1024"; -EINVAL for anything else, -EOVERFLOW past 64 bits. */
int MUST_USE option_size(const char *text, uint64_t *ret_bytes);

/* Add a pair; one of that name that is there is replaced. */
int MUST_USE option_add_pair(struct pair_list *list, const char *name, const char *file,
                             struct pool *pool, char why[OPTION_WHY_BYTES]);

/* NULL: there is none of that name. Letter case does not count: names may be GUIDs. */
const struct pair *option_find_pair(const struct pair_list *list, const char *name);
