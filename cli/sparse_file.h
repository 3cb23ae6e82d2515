/*
 * cli/sparse_file.h - a file that is written from its beginning to its end, and is there only when it is whole.
 *
 * It has another name until then. What is all zeros takes no room on the disk.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    SPARSE_FILE_BLOCK = 4096,
    SPARSE_FILE_BUFFER = 256 * 1024,
};

struct sparse_file {
    int fd;
    const char *path; /* borrowed */
    char partial[PATH_MAX];
    uint8_t *buffer;
    size_t len;  /* bytes in the buffer */
    uint64_t at; /* where these belong */
};

/* Negative errno: nothing is left. */
int MUST_USE sparse_file_open(struct sparse_file *f, const char *path);

int MUST_USE sparse_file_add(struct sparse_file *f, const void *bytes, size_t len);

/* Bytes it has so far. */
uint64_t sparse_file_bytes(const struct sparse_file *f);

/* It is whole: it gets its name, and replaces what had it. */
int MUST_USE sparse_file_finish(struct sparse_file *f);

/* Unless it was finished, it is gone. */
void sparse_file_close(struct sparse_file *f);
