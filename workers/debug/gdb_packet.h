/*
 * workers/debug/gdb_packet.h - GDB's remote protocol as packets: bytes in, one packet or sign at a time.
 *
 * @spec GDB manual E.1 (remote protocol: overview)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    GDB_PACKET_MAX =
        4096, /* bytes between $ and #, escapes undone; what does not fit is no packet */
};

enum gdb_token {
    GDB_NOTHING,   /* more bytes are wanted */
    GDB_PACKET,    /* body and len */
    GDB_BAD,       /* a packet whose sum is wrong, or that is too long: it is to be sent again */
    GDB_ACK,       /* + */
    GDB_NAK,       /* - */
    GDB_INTERRUPT, /* Ctrl-C */
};

struct gdb_packet {
    enum { PACKET_OUTSIDE, PACKET_BODY, PACKET_ESCAPED, PACKET_SUM_1, PACKET_SUM_2 } state;
    uint8_t sum; /* of what came */
    int claimed; /* what it is said to be; -1: no number */
    bool too_long;
    size_t len;
    uint8_t body[GDB_PACKET_MAX + 1]; /* a packet's ends in 0 */
};

/* The next byte. A packet is valid until the byte after it. */
enum gdb_token gdb_packet_take(struct gdb_packet *p, uint8_t byte);

/* $BODY#SUM into out, which has room for len + 4. Bytes that must be escaped are the caller's. */
size_t gdb_packet_make(const char *body, size_t len, uint8_t *out);

/* The value of a hexadecimal digit; -1: it is none. */
int gdb_digit(uint8_t c);
