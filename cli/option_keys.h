/*
 * cli/option_keys.h - one option's value that is a list of its own: "FIRST,KEY=VALUE,KEY,...".
 */
#pragma once

#include "base/macro.h"
#include "cli/option.h"

struct option_keys {
    const struct option_row *rows; /* one per key, at most 32 */
    size_t n_rows;
    bool bare; /* a first part that is no key is the value of the first row */
};

/*
 * Set the fields of base as the text says. A comma in a value is written twice; only rows that take many
 * values may be given twice. -EINVAL and why, in one line.
 */
int MUST_USE option_keys_parse(const struct option_keys *keys, const char *text, void *base,
                               struct pool *pool, char why[OPTION_WHY_BYTES]);
