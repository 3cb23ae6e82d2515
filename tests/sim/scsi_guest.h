/*
 * tests/sim/scsi_guest.h - a synthetic SCSI controller as the guest uses it: Linux's storvsc in small.
 *
 * Requests have tags; each is a transaction of its own, so that an answer that comes twice, to the wrong
 * channel, or to nothing is found out. Those end the run. What an answer says is its user's.
 *
 * @spec Linux drivers/scsi/storvsc_drv.c
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/vmbus_guest.h"

enum {
    SCSI_GUEST_CHANNELS = 8,
    SCSI_GUEST_TAGS = 320, /* of a channel: more than the worker has places for */
    SCSI_GUEST_PAGES = 129,
    SCSI_GUEST_PACKET = 64,
    SCSI_GUEST_SENSE = 20,
    SCSI_BLOCK = 512,
};

enum scsi_guest_op {
    VSTOR_COMPLETE = 1,
    VSTOR_EXECUTE = 3,
    VSTOR_RESET_BUS = 6,
    VSTOR_BEGIN_INIT = 7,
    VSTOR_END_INIT = 8,
    VSTOR_VERSION = 9,
    VSTOR_PROPERTIES = 10,
    VSTOR_ENUMERATE = 11,
    VSTOR_SUBCHANNELS = 13,
};

enum scsi_data {
    SCSI_TO_DEVICE = 0,
    SCSI_FROM_DEVICE = 1,
    SCSI_NO_TRANSFER = 2,
};

struct scsi_guest;

struct scsi_rq {
    uint64_t transaction; /* 0: not on its way */
    uint32_t uses;
    uint16_t tag;
    uint8_t channel;
    bool taken;
    _Atomic bool completed; /* for who waits for it */
    uint8_t packet[SCSI_GUEST_PACKET];
    /* data, in guest pages that stay the tag's */
    uint32_t data_len, offset;
    uint32_t n_owned;
    uint32_t pfns[SCSI_GUEST_PAGES];
    /* the answer */
    uint32_t status; /* NTSTATUS */
    uint8_t srb_status, scsi_status, sense_len;
    uint8_t sense[SCSI_GUEST_SENSE];
    uint32_t moved; /* bytes, as the answer says */
    uint8_t answer[SCSI_GUEST_PACKET];
    /* the user's: what it was */
    uint32_t what;
    uint64_t tick;
    void (*done)(struct scsi_guest *s,
                 struct scsi_rq *rq); /* with the channel's lock; NULL: waits */
};

struct scsi_queue {
    struct guest_channel channel;
    pthread_mutex_t lock; /* of the tags */
    unsigned in_flight;
    struct scsi_rq tags[SCSI_GUEST_TAGS];
};

struct scsi_guest {
    struct vmbus_guest *vmbus;
    unsigned device; /* which of the controllers */
    unsigned n_queues;
    unsigned ring_pages;
    struct scsi_queue queues[SCSI_GUEST_CHANNELS];
    _Atomic uint64_t completions, enumerates;
    uint32_t max_bytes; /* of one request */
    void *self;
};

/* Open device's primary channel, go through its initialisation, open channels - 1 more. */
bool scsi_connect(struct scsi_guest *s, struct vmbus_guest *g, unsigned device, unsigned channels,
                  unsigned ring_pages);
/* Close all channels: nothing may be on its way. */
bool scsi_disconnect(struct scsi_guest *s);

/* A free tag of a channel, with room for len bytes of data at offset of its first page; NULL: none. */
struct scsi_rq *scsi_take(struct scsi_guest *s, unsigned channel, uint32_t offset, uint32_t len);
void scsi_put(struct scsi_guest *s, struct scsi_rq *rq);

/* Make its packet a SCSI command. */
void scsi_command(struct scsi_rq *rq, uint8_t lun, const uint8_t *cdb, uint8_t cdb_len,
                  enum scsi_data direction);

/* 0; -EAGAIN when the ring has no room: it is not on its way. */
int MUST_USE scsi_submit(struct scsi_guest *s, struct scsi_rq *rq);

/* Submit and wait for it, on the thread of a vCPU. False: the run has failed. */
bool scsi_run(struct scsi_guest *s, struct scsi_rq *rq, unsigned vp);

/* Did the command end well? */
bool scsi_is_good(const struct scsi_rq *rq);
/* Sense key << 16 | ASC << 8 | ASCQ; 0: no sense. */
uint32_t scsi_sense_of(const struct scsi_rq *rq);

/* Copy data of the request, from at on. */
void scsi_get_data(const struct scsi_guest *s, const struct scsi_rq *rq, uint32_t at, void *to,
                   uint32_t len);
void scsi_set_data(const struct scsi_guest *s, const struct scsi_rq *rq, uint32_t at,
                   const void *from, uint32_t len);

/* Commands. Blocks are of SCSI_BLOCK bytes. */
void scsi_cdb16(uint8_t cdb[16], uint8_t opcode, uint64_t lba, uint32_t blocks);
/* A command with up to 4 KiB of data in; waits. The data is copied to out when there is one. */
bool scsi_ask(struct scsi_guest *s, unsigned vp, uint8_t lun, const uint8_t *cdb, uint8_t cdb_len,
              void *out, uint32_t len, struct scsi_rq *ret);
/* READ CAPACITY(16): bytes of the unit, 0 when it has none or is not there. */
uint64_t scsi_capacity(struct scsi_guest *s, unsigned vp, uint8_t lun);
