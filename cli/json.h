/*
 * cli/json.h - JSON on its way out.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

/* Print as one line and free it; NULL prints null. */
void json_line(json_t *value, FILE *out);

/* The same over several lines, for results that are one value. */
void json_document(json_t *value, FILE *out);
