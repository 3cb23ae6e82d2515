/*
 * drivers/crb.h - the registers of the Command Response Buffer interface, as a state machine.
 *
 * @spec PTP 1.05 6.5.3 (CRB interface)
 *
 * Pure: no TPM, no clock. Whoever owns a struct crb forwards writes, acts on what crb_write() says,
 * and calls crb_finish() when a command is done. Not in the registers: the data buffer, a page of
 * its own (CRB_BUFFER_ADDR), which the registers only name.
 *
 * Two processes run it, over one struct crb_shared, and the state says whose turn it is. While no
 * command runs, it is the supervisor's: writes that only move registers are executed where their
 * exit arrives. START, and all that comes while a command runs, are the vtpm's.
 *
 * Localities 0 to 3 can be had by software. Locality 4 belongs to a processor that measures a late
 * launch; there is none here, so nobody gets it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    CRB_LOCALITIES = 5,
    CRB_PAGE_BYTES = 4096, /* one per locality */
    CRB_BYTES = CRB_LOCALITIES * CRB_PAGE_BYTES,
    CRB_BUFFER_BYTES_MAX = 4096, /* of a command, and of a response */
};

static const uint64_t CRB_ADDR = 0xfed40000;
static const uint64_t CRB_BUFFER_ADDR = 0xfed45000;

/* Offsets in each locality's page. */
enum crb_register {
    CRB_LOC_STATE = 0x00,
    CRB_LOC_CTRL = 0x08,
    CRB_LOC_STS = 0x0c,
    CRB_INTF_ID = 0x30, /* 8 bytes */
    CRB_CTRL_EXT = 0x38,
    CRB_CTRL_REQ = 0x40,
    CRB_CTRL_STS = 0x44,
    CRB_CTRL_CANCEL = 0x48,
    CRB_CTRL_START = 0x4c,
    CRB_INT_ENABLE = 0x50,
    CRB_INT_STS = 0x54,
    CRB_CMD_SIZE = 0x58,
    CRB_CMD_LADDR = 0x5c,
    CRB_CMD_HADDR = 0x60,
    CRB_RSP_SIZE = 0x64,
    CRB_RSP_ADDR = 0x68, /* 8 bytes */
};

enum crb_bits {
    CRB_LOC_STATE_ESTABLISHED = 1 << 0, /* set: no late launch has happened */
    CRB_LOC_STATE_ASSIGNED = 1 << 1,
    CRB_LOC_STATE_ACTIVE_SHIFT = 2,
    CRB_LOC_STATE_VALID = 1 << 7,
    CRB_LOC_CTRL_REQUEST = 1 << 0,
    CRB_LOC_CTRL_RELINQUISH = 1 << 1,
    CRB_LOC_CTRL_SEIZE = 1 << 2,
    CRB_LOC_STS_GRANTED = 1 << 0,
    CRB_LOC_STS_SEIZED = 1 << 1,
    CRB_REQ_CMD_READY = 1 << 0,
    CRB_REQ_GO_IDLE = 1 << 1,
    CRB_STS_IDLE = 1 << 1,
};

enum crb_state {
    CRB_IDLE = 0,
    CRB_READY = 1,   /* a command may be written and started */
    CRB_RUNNING = 2, /* START reads as 1 */
    CRB_DONE = 3,    /* the response is in the buffer */
};

struct crb {
    enum crb_state state;
    bool assigned;
    uint8_t active;    /* locality, while assigned */
    uint8_t requested; /* localities that wait for it: a bit each */
    uint8_t seized;    /* localities it was taken from: a bit each */
    bool cancel;       /* the CANCEL register: a level that software clears */
    uint8_t todo;      /* CTRL_REQ bits that wait for the running command */
};

/* What a write did; a mask. 0: nothing. */
enum crb_event {
    CRB_CHANGED = 1 << 0,
    CRB_STARTED = 1 << 1,   /* execute the command; the state is CRB_RUNNING */
    CRB_CANCELLED = 1 << 2, /* the running command is to end as soon as it can */
    CRB_REFUSED = 1 << 3,   /* in this state or from this locality it means nothing */
};

/*
 * A guest's write of size bytes at offset (< CRB_BYTES). Returns a mask of enum crb_event. Writing
 * the same again changes nothing, but for START: that is what lets a write be executed twice.
 */
unsigned crb_write(struct crb *c, uint32_t offset, unsigned size, uint64_t data);

/* What a guest reads: size bytes at offset; bytes outside the registers are 0. */
uint64_t crb_read(const struct crb *c, uint32_t offset, unsigned size);

/* The running command is done. False: its response was given up and must not be shown. */
bool crb_finish(struct crb *c);

/* The whole state in one word, and back. A fresh interface is 0. -EBADMSG, *ret untouched. */
uint32_t crb_pack(const struct crb *c);
int MUST_USE crb_unpack(uint32_t word, struct crb *ret);

/* The registers as others see them; plain numbers in shared memory, zero at first. */
struct crb_shared {
    _Atomic uint32_t registers[CRB_BYTES / 4]; /* guests read them without an exit */
    _Atomic uint64_t state; /* no guest sees it: crb_pack(), and the epoch in the upper half */
    uint8_t pad[4096 - 8];
};

/*
 * The state as last published, and its epoch: the number of the vtpm's commit that it follows.
 * 0, or -EBADMSG with both outputs untouched.
 */
int MUST_USE crb_shared_load(const struct crb_shared *s, uint32_t *ret_epoch, struct crb *ret);

/*
 * Publish: the state first, then each register by a single store; what a guest waits for comes
 * last: START, with the response in the buffer by then, and CTRL_REQ. Whoever is killed half-way is
 * followed by somebody who calls crb_shared_refresh(), which may run beside another publisher.
 */
void crb_shared_publish(struct crb_shared *s, uint32_t epoch, const struct crb *c);
void crb_shared_refresh(struct crb_shared *s);
