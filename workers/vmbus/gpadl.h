/*
 * workers/vmbus/gpadl.h - guest physical address descriptor lists: memory the guest lends a device.
 *
 * A list belongs to a channel and is named by a number that is unique in the VM. Its page frame numbers
 * lie in the pool that vmbus shares with the device's worker (ipc/vmbus.h); here is who owns which part
 * of it. Parts are given back only when the guest was told that the list is torn down.
 *
 * Plain data, saved as it is. Whoever is asked first checks the guest's numbers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "base/wr.h"

enum {
    GPADLS_MAX = 256,
    GPADLS_PER_CHANNEL = 32,
    GPADLS_SCHEMA_EPOCHS = 2, /* from that one on rows have places and epochs */
    GPADL_PAGES_MAX = 8190,   /* what one range can describe */
};

enum gpadl_state {
    GPADL_FREE,
    GPADL_BUILDING, /* page frame numbers are still coming */
    GPADL_CREATED,
    GPADL_TEARING, /* the guest wants it back; a channel still uses it */
    GPADL_STATES,
};

struct gpadl {
    uint32_t state; /* enum gpadl_state */
    uint32_t id;
    uint32_t relid;
    uint32_t bytes, offset; /* of its range */
    uint32_t pages;
    uint32_t received; /* page frame numbers */
    uint32_t pool_at;
    uint32_t epoch; /* another one with each change that a device that borrows is told of */
};

struct gpadls {
    uint32_t epoch; /* the last one */
    struct gpadl
        rows[GPADLS_MAX]; /* a row is the same in what the devices see (struct vmbus_memory) */
};

/* A row has changed: its device is to take note. */
void gpadl_touch(struct gpadls *g, struct gpadl *one);

/* The list of that name, in any state but free; NULL when there is none. */
struct gpadl *gpadls_find(struct gpadls *g, uint32_t id);

/*
 * Take a row and a part of the pool of the device that relid belongs to.
 *   0         *ret is GPADL_BUILDING, nothing received
 *   -EEXIST   there is one of that name
 *   -ENOBUFS  a limit of ours: rows, rows of the channel, or the pool
 */
int MUST_USE gpadls_add(struct gpadls *g, uint32_t relid, uint32_t id, uint32_t pages,
                        struct gpadl **ret);

/* Forget one, those of a channel, or all. */
void gpadl_free(struct gpadl *one);
void gpadls_free_of(struct gpadls *g, uint32_t relid);
void gpadls_free_all(struct gpadls *g);

void gpadls_save(const struct gpadls *g, struct wr *w);
/* -EBADMSG: it cannot have been saved by us. schema: of what was saved, VMBUS_SCHEMA or an older one. */
int MUST_USE gpadls_load(struct gpadls *g, struct rd *r, uint32_t schema);
