/*
 * cli/schema.h - the JSON Schema of a configuration file, made from the option rows that read it.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "cli/option.h"

/* The caller owns it; NULL: no memory. */
json_t *schema_of(const struct option_row *rows, size_t n_rows);
