/*
 * cli/config_file.h - options from a JSON file: an object whose keys are those of option rows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"
#include "cli/json_file.h"
#include "cli/option.h"

/*
 * Set the fields of base that the object names. -EINVAL: error holds one line that says where. Texts
 * are copied to the pool.
 */
int MUST_USE config_file_apply(const struct json_file *f, const struct option_row *rows,
                               size_t n_rows, void *base, struct pool *pool,
                               char error[JSON_FILE_ERROR_BYTES]);

/* What a row is called in a file. */
const char *config_file_key(const struct option_row *row);

/* Whether a row may be in a file: all but the one that names the file. */
bool config_file_has(const struct option_row *row);
