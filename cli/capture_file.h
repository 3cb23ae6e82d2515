/*
 * cli/capture_file.h - where a capture goes: a file of our own, or stdout, block by block.
 *
 * Blocks are collected and written by capture_file_flush(). A signal ends the wait for a reader that is slow. Whatever goes
 * wrong, a file of our own keeps whole blocks only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    CAPTURE_FILE_BYTES = 256 * 1024,
    CAPTURE_FILE_PATIENCE_MS = 1000, /* with a reader, after a signal */
};

struct capture_file {
    int fd;
    const char *path; /* borrowed */
    bool is_ours;
    bool has_reader; /* a pipe, a socket, a terminal: it may be slow, or go */
    int stop_fd;     /* readable after a signal; borrowed, -1: none */
    uint8_t *buffer;
    size_t len;
    uint64_t written; /* bytes, of whole blocks */
    int err;          /* sticky; what the first failure was */
};

/* NULL or "-": stdout. Nothing of a file is left on failure. */
int MUST_USE capture_file_open(struct capture_file *f, const char *path);

/* Room for one more block of at most so many bytes; then how many there are. */
uint8_t *capture_file_room(struct capture_file *f, size_t bytes);
void capture_file_add(struct capture_file *f, size_t bytes);

/*
 * Write what was collected. 0, or negative errno: -EPIPE: nobody reads it any more; -ETIMEDOUT: nobody read it in time after a
 * signal. On failure *ret_lost packets that were collected are not there.
 */
int MUST_USE capture_file_flush(struct capture_file *f, uint64_t *ret_lost);

/* A file of our own that has nothing is gone. */
void capture_file_close(struct capture_file *f);
