/*
 * tests/sim/disk_model.h - what each sector of a disk may hold: an oracle for writes that are on their way
 * together, outside of everything that is under test.
 *
 * Each write has a version, and each sector of it says which sector and version it is in all of its bytes. A
 * sector may hold what was acknowledged last, and what was on its way at the same time; what a later
 * write or a read has proved to be overwritten must never be seen again. Sectors are independent.
 *
 * A read that meets a write of the same sector may find anything between the two: disks promise no more.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    MODEL_SECTORS_MAX = 1 << 17, /* 64 MiB */
    MODEL_CANDIDATES = 10,       /* of a sector, at once */
    MODEL_READERS = 4096,
    MODEL_SECTOR = 512,
};

enum model_kind {
    MODEL_DATA, /* every sector its own */
    MODEL_SAME, /* every sector the same: WRITE SAME */
    MODEL_ZERO,
};

struct model_candidate {
    uint32_t version; /* 0: an empty row */
    uint8_t kind;     /* enum model_kind */
    uint64_t acked;   /* tick; 0: on its way */
    uint64_t seen;    /* tick of a read that found it; 0: none has */
    uint64_t died;    /* tick when it was proved to be overwritten; 0: it was not */
};

struct disk_model {
    pthread_mutex_t lock;
    uint64_t seed;
    uint64_t tick;
    uint32_t n_sectors;
    uint32_t last_version;
    uint64_t torn;                   /* reads that met a write */
    uint64_t readers[MODEL_READERS]; /* ticks at which reads on their way began; 0: none */
    struct model_candidate sectors[MODEL_SECTORS_MAX][MODEL_CANDIDATES];
};

/* A disk of zeros. */
void model_init(struct disk_model *m, uint32_t n_sectors, uint64_t seed);

/*
 * A write of n sectors begins. False, and nothing changed, when too much is on its way there.
 */
bool model_write_begin(struct disk_model *m, uint32_t lba, uint32_t n, enum model_kind kind,
                       uint32_t *version, uint64_t *ret_tick);
/* It was acknowledged. */
void model_write_end(struct disk_model *m, uint32_t lba, uint32_t n, uint32_t version,
                     uint64_t tick);

/* What a sector holds after a write of that version. */
void model_fill(const struct disk_model *m, uint32_t lba, uint32_t version, enum model_kind kind,
                uint8_t out[MODEL_SECTOR]);

/* A read begins; reader is a number of the caller's, below MODEL_READERS. */
void model_read_begin(struct disk_model *m, unsigned reader);
/*
 * And has ended. Check its sectors one by one, in between the two: 0, or why not: the text names the version found
 * and those that may be.
 */
int MUST_USE model_check(struct disk_model *m, unsigned reader, uint32_t lba,
                         const uint8_t bytes[MODEL_SECTOR], char why[160]);
void model_read_end(struct disk_model *m, unsigned reader);
