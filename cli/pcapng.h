/*
 * cli/pcapng.h - blocks of a capture file as Wireshark reads them: one section, one Ethernet interface, times in nanoseconds.
 *
 * libpcap writes no such files, and Wireshark's own library (libwiretap) is there only as a shared one whose interface changes
 * with each release, while `bulkhead` is one static file.
 *
 * @spec draft-ietf-opsawg-pcapng 4.1, 4.2, 4.3, 4.6
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/packet_filter.h"
#include "ipc/capture.h"

enum {
    PCAPNG_HEAD_MAX = 256 + PACKET_FILTER_TEXT_BYTES,
    PCAPNG_PACKET_MAX = 64 + CAPTURE_FRAME_MAX,
    PCAPNG_END_MAX = 128,
};

struct pcapng_interface {
    const char *name;
    const char *filter; /* NULL: none */
    uint32_t snaplen;
};

struct pcapng_packet {
    uint64_t time_ns; /* since 1970 */
    uint32_t len;     /* of the frame */
    uint32_t captured;
    bool outbound;
};

struct pcapng_counts {
    uint64_t began_ns, ended_ns; /* since 1970 */
    uint64_t received;           /* all that there were to see */
    uint64_t dropped;            /* of them, what we were too slow for */
    uint64_t accepted;           /* by the filter, of the others */
};

/* Each writes its blocks to the beginning of to, which has room for as many bytes as is said above; how many bytes. */
size_t pcapng_head(uint8_t *to, const struct pcapng_interface *i);
size_t pcapng_packet(uint8_t *to, const struct pcapng_packet *p, const uint8_t *bytes);
size_t pcapng_end(uint8_t *to, const struct pcapng_counts *c);

/* Of len bytes that begin with a block, those of whole blocks; *ret_packets of these are packets. */
size_t pcapng_whole(const uint8_t *blocks, size_t len, uint64_t *ret_packets);
