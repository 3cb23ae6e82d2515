/*
 * tests/sim/disk_load.h - a mixed load on one disk whose every answer is verified (disk_model.h).
 *
 * Reads, overlapping and adjacent writes of all sizes, flushes, unmaps, WRITE SAME, commands without data, and
 * one that must be executed exactly once: a registration of a persistent reservation, which counts itself and
 * changes its key.
 *
 * Each vCPU's thread runs load_run() and puts requests into the channels that are its own; answers are checked on
 * whichever vCPU is interrupted for them.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/disk_model.h"
#include "tests/sim/scsi_guest.h"

enum {
    LOAD_RANGES = 3, /* of an unmap */
    LOAD_STALLS = 1 << 16,
};

enum load_kind {
    LOAD_READ,
    LOAD_WRITE,
    LOAD_SAME,
    LOAD_UNMAP,
    LOAD_FLUSH,
    LOAD_LOOK, /* TEST UNIT READY, INQUIRY, READ CAPACITY */
    LOAD_REGISTER,
    LOAD_KINDS,
};

struct load_range {
    uint32_t lba, n;
    uint32_t version;
    uint64_t tick;
};

struct load_op {
    enum load_kind kind;
    unsigned n_ranges;
    struct load_range ranges[LOAD_RANGES];
    uint64_t deaths, began_ns; /* deaths of storage, and the time, when it was submitted */
};

struct load_queue {
    pthread_mutex_t lock;
    struct scsi_rq *again[SCSI_GUEST_TAGS]; /* to be submitted: no room in the ring, or BUSY */
    unsigned n_again;
    struct load_op ops[SCSI_GUEST_TAGS];
    uint64_t random;
};

struct disk_load {
    struct scsi_guest *scsi;
    struct disk_model *model;
    uint8_t lun;
    bool errors_expected; /* somebody makes them: they are counted */
    _Atomic unsigned qd;
    _Atomic bool
        polls; /* answers are looked for all the time, whether there was an interrupt or not */
    _Atomic unsigned max_sectors; /* of one request */
    struct load_queue queues[SCSI_GUEST_CHANNELS];
    _Atomic bool registering;
    _Atomic uint64_t registrations;
    _Atomic uint64_t done[LOAD_KINDS], bytes, busy, errors, full;
    _Atomic uint64_t last_ns; /* when the last answer came */
    /* Of requests that met a death: how long each took; and around each death how long nothing came. */
    pthread_mutex_t stalls_lock;
    uint64_t stalls_us[LOAD_STALLS], gaps_us[LOAD_STALLS];
    unsigned n_stalls, n_gaps;
    uint64_t deaths_at_last; /* at the last answer */
    atomic_uint shams;       /* instants that count as deaths, and are none */
};

void load_init(struct disk_load *l, struct scsi_guest *scsi, struct disk_model *model, uint8_t lun,
               uint64_t seed);

/* Put requests into the channels of vp until each has qd; then wait for an interrupt. */
void load_step(struct disk_load *l, unsigned vp);
/* The same for all channels, where vp is the only one that does it. */
void load_step_alone(struct disk_load *l, unsigned vp);

/* All that is on its way is answered; submits nothing new but what was to be tried again. */
bool load_drain(struct disk_load *l, unsigned vp);

/* Read all of the disk and compare; digest is that of all its bytes (SHA-256). On an idle disk. */
bool load_verify_all(struct disk_load *l, unsigned vp, uint8_t digest[32]);

/* Was each registration executed once? Asks the unit. */
bool load_verify_registrations(struct disk_load *l, unsigned vp);

void load_print(struct disk_load *l, const char *what);
