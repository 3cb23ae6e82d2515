/*
 * ipc/remote.h - what diag needs to let operators in over the network: certificates, made known by init, and a record of
 * who did what.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum tls_part {
    TLS_CERTIFICATE, /* ours, and what signed it */
    TLS_KEY,         /* its key */
    TLS_CLIENT_CA,   /* who signs operators' certificates */
    TLS_REVOKED,     /* which of them count no more */
    TLS_PARTS,
};

enum {
    TLS_PART_BYTES = 32 * 1024,
    REMOTE_PATIENCE_MS = 30 * 1000, /* with an operator's machine that acknowledges nothing */
    REMOTE_BACKLOG =
        16, /* connections that the kernel takes before diag does, which has room for so many at once */
};

/* PEM texts, written once by init before the first diag starts. Zero lengths throughout: nobody comes over the network. */
struct tls_page {
    uint32_t len[TLS_PARTS];
    uint8_t text[TLS_PARTS][TLS_PART_BYTES];
};

/*
 * Lists of revoked certificates that were brought while the VM ran: the newest one, and room for the next. Written by diag
 * alone, kept outside of it, for its next generation.
 */
struct revoked_page {
    _Atomic uint64_t seq; /* the newest is at seq % 2; 0: none was brought */
    uint32_t len[2];
    uint8_t text[2][TLS_PART_BYTES]; /* PEM */
};

/* The card of a VM made for Bulkhead that operators come over; QEMU's user network has one address for it. */
#define REMOTE_MAC                                                                                 \
    {                                                                                              \
        0x52, 0x54, 0x00, 0x62, 0x68, 0x64                                                         \
    }
#define REMOTE_ADDRESS "10.0.2.15"
#define REMOTE_NETMASK "255.255.255.0"
