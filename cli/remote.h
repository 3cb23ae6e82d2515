/*
 * cli/remote.h - where operators come in over the network, and what they and the VM show each other: `bulkhead run
 * --operators`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "cli/pool.h"
#include "control.pb-c.h"

enum {
    REMOTE_ERROR_BYTES = 512,
    REMOTE_ADDRESS_BYTES = 64,
};

/* Where certificates are when nobody says: as `bulkhead pki` has it. */
#define REMOTE_PKI "/etc/bulkhead/pki"

enum remote_family {
    REMOTE_V4,
    REMOTE_V6,
    REMOTE_VSOCK, /* from the host of the VM that we run in, or from VMs of this machine */
};

struct remote_plan {
    bool wanted;
    enum remote_family family;
    char address[REMOTE_ADDRESS_BYTES]; /* numeric; of vsock: none, its number is the machine's */
    uint32_t port;
    int listener;             /* -1: nested, where QEMU listens */
    Bulkhead__Remote message; /* its texts are the pool's */
    struct pool pool;
    /* Of lists of revoked certificates, once there are others than at the first start. */
    struct pool again, brought;
};

/*
 * Read the certificates in the folder, look at them, and listen; nested: only see whether that can be done. where is
 * "ADDRESS:PORT", "[ADDRESS]:PORT" or "vsock:PORT"; NULL: nobody comes. 0, or the exit status, and error holds one line.
 * remote_done() in any case.
 */
int MUST_USE remote_plan(const char *where, const char *pki, bool nested, struct remote_plan *ret,
                         char error[REMOTE_ERROR_BYTES]);

/*
 * Before the next start: read the list of revoked certificates again. It counts from then on if the authority has signed it
 * and it is newer than the one that does; else 0 if it is that one or there is none, or the exit status and a line.
 */
int MUST_USE remote_read_again(struct remote_plan *plan, const char *pki,
                               char error[REMOTE_ERROR_BYTES]);

/* For the next start: the list that was brought to this one. None, or no memory: the one before it stays. */
void remote_keep_brought(struct remote_plan *plan, const ProtobufCBinaryData *list);

void remote_done(struct remote_plan *plan);
