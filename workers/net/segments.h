/*
 * workers/net/segments.h - a frame that stands for several TCP segments, as a back end gives it (GSO): what a guest
 * that has not asked for such frames gets instead. Without I/O.
 *
 * @spec virtio 1.1 5.1.6.4; RFC 9293 3.7
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "workers/net/frame.h"

enum {
    SEGMENTS_MSS_MIN = 8,       /* the least that Linux makes (TCP_MIN_GSO_SIZE) */
    SEGMENTS_HEADERS_MAX = 256, /* VLAN, IPv6 with extension headers, TCP with options */
};

struct segments {
    const uint8_t *frame; /* borrowed */
    uint32_t len;
    bool is_v6;
    uint32_t ip_at, tcp_at, headers; /* headers: bytes of all of them */
    uint32_t mss;
    unsigned n;
};

/* What the vnet header says of a frame, which is there in full. -EBADMSG: it is none of segments, or does not fit it. */
int MUST_USE segments_of(const uint8_t header[VNET_HEADER_BYTES], const uint8_t *frame,
                         uint32_t len, struct segments *ret);

/* Segment number i, below n, with its checksums: at most headers + mss bytes. Its length. */
uint32_t segments_cut(const struct segments *s, unsigned i, uint8_t *out);
