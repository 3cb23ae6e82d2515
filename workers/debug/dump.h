/*
 * workers/debug/dump.h - a guest's memory and registers as an ELF core, piece by piece.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "workers/debug/core_file.h"
#include "workers/debug/vcpus.h"
#include "workers/debug/vmcoreinfo.h"

struct dump {
    enum { DUMP_REGISTERS, DUMP_SEARCH, DUMP_HEAD, DUMP_MEMORY } state;
    struct core_file core;
    struct vmcoreinfo info;
    uint8_t head[CORE_HEAD_MAX];
    size_t head_len;
    uint64_t at; /* bytes of the state's that are sent */
};

/* A guest that stands still. */
void dump_begin(struct dump *d, const struct guest_memory *m, unsigned vcpus);

/* The next bytes, at most max: how many; 0: none yet, ask again; -ENODATA: that was all; or another negative errno. */
int dump_next(struct dump *d, struct vcpus *v, uint8_t *out, size_t max);
