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
};

/*
 * Read the certificates in the folder, look at them, and listen; nested: only see whether that can be done. where is
 * "ADDRESS:PORT", "[ADDRESS]:PORT" or "vsock:PORT"; NULL: nobody comes. 0, or the exit status, and error holds one line.
 * remote_done() in any case.
 */
int MUST_USE remote_plan(const char *where, const char *pki, bool nested, struct remote_plan *ret,
                         char error[REMOTE_ERROR_BYTES]);

void remote_done(struct remote_plan *plan);
