/*
 * cli/json_file.h - a JSON file as somebody wrote it, and messages that say where it is wrong.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "cli/document.h"
#include "cli/pool.h"

enum {
    JSON_FILE_ERROR_BYTES = 768,
};

struct json_file {
    const char *path; /* borrowed */
    char *text;
    size_t len;
    struct document *document;
};

/* Read and parse. -EINVAL: error holds one line. json_file_done() in any case. */
int MUST_USE json_file_read(const char *path, struct json_file *ret,
                            char error[JSON_FILE_ERROR_BYTES]);

/* The same with bytes that are there; path is for messages. */
int MUST_USE json_file_parse(const char *path, const char *text, size_t len, struct json_file *ret,
                             char error[JSON_FILE_ERROR_BYTES]);

void json_file_done(struct json_file *f);

/* `return json_file_wrong(f, node->at, error, "...")`: "PATH:LINE:COLUMN: ..."; is -EINVAL. */
int json_file_wrong(const struct json_file *f, size_t at, char error[JSON_FILE_ERROR_BYTES],
                    const char *fmt, ...) PRINTF_LIKE(4, 5);

/* "PATH:LINE:COLUMN" of a byte, in the pool; NULL: no memory. */
char *json_file_place(const struct json_file *f, size_t at, struct pool *pool);

/* A path of the file: relative ones count from its folder. In the pool; NULL: no memory. */
char *json_file_path(const struct json_file *f, const char *path, struct pool *pool);
