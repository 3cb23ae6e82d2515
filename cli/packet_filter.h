/*
 * cli/packet_filter.h - which frames an operator wants to see, in pcap-filter(7)'s words: libpcap's compiler and machine.
 *
 * Frames come from the guest and from the network, so libpcap's machine runs on foreign bytes; the program is the
 * operator's own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

struct packet_filter;

enum {
    PACKET_FILTER_ERROR_BYTES = 512,
    PACKET_FILTER_TEXT_BYTES = 4096, /* of an expression, with its end */
    PACKET_FILTER_LOOKS_BYTES =
        256, /* of a frame, so many that an expression finds what it looks at */
};

/* -EINVAL: no such expression, error says why. -EOPNOTSUPP: this build has no libpcap; error says so. */
int MUST_USE packet_filter_new(const char *text, struct packet_filter **ret,
                               char error[PACKET_FILTER_ERROR_BYTES]);
void packet_filter_free(struct packet_filter *f);

/* Is the frame wanted, len bytes of which the first captured are here? NULL wants all. */
bool packet_filter_matches(const struct packet_filter *f, const uint8_t *bytes, uint32_t captured,
                           uint32_t len);
