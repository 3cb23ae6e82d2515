#include "cli/pcapng.h"

#include <assert.h>
#include <string.h>

#include "base/rd.h"
#include "base/wr.h"

enum {
    SECTION_HEADER = 0x0a0d0d0a,
    INTERFACE_DESCRIPTION = 1,
    INTERFACE_STATISTICS = 5,
    ENHANCED_PACKET = 6,
    BYTE_ORDER_MAGIC = 0x1a2b3c4d,
    LINKTYPE_ETHERNET = 1,
    BLOCK_HEAD_BYTES = 8, /* type, length of the whole block; the latter is its end, too */
    OPTION_END = 0,
    SHB_USERAPPL = 4,
    IDB_NAME = 2,
    IDB_TSRESOL = 9,
    IDB_FILTER = 11,
    FILTER_IS_TEXT = 0,
    NANOSECONDS = 9, /* digits */
    EPB_FLAGS = 2,
    FLAG_INBOUND = 1,
    FLAG_OUTBOUND = 2,
    ISB_BEGAN = 2,
    ISB_ENDED = 3,
    ISB_RECEIVED = 4,
    ISB_DROPPED = 5,
    ISB_ACCEPTED = 6,
};

static struct wr begin(uint8_t *to, size_t room, uint32_t type)
{
    struct wr w = wr_over(to, room);

    wr_le32(&w, type);
    wr_le32(&w, 0); /* end() */
    return w;
}

static size_t end(struct wr *w)
{
    uint32_t len = (uint32_t)(w->at - w->start) + 4;
    struct wr head = wr_over(w->start + 4, 4);

    wr_le32(w, len);
    wr_le32(&head, len);
    assert(w->err == 0 && head.err == 0);
    return len;
}

static void pad(struct wr *w, size_t len)
{
    wr_bytes(w, (const uint8_t[3]){0}, -len & 3);
}

static void option(struct wr *w, uint16_t code, const void *bytes, size_t len)
{
    wr_le16(w, code);
    wr_le16(w, (uint16_t)len);
    wr_bytes(w, bytes, len);
    pad(w, len);
}

static void text(struct wr *w, uint16_t code, const char *value)
{
    option(w, code, value, strlen(value));
}

/* Its kind is a byte before it. */
static void filter(struct wr *w, const char *value)
{
    uint8_t bytes[1 + PACKET_FILTER_TEXT_BYTES] = {FILTER_IS_TEXT};
    size_t len = strlen(value);

    assert(len < PACKET_FILTER_TEXT_BYTES);
    memcpy(bytes + 1, value, len);
    option(w, IDB_FILTER, bytes, 1 + len);
}

/* High half first, whatever the byte order is. */
static void time_of(struct wr *w, uint64_t ns)
{
    wr_le32(w, (uint32_t)(ns >> 32));
    wr_le32(w, (uint32_t)ns);
}

static void time_option(struct wr *w, uint16_t code, uint64_t ns)
{
    wr_le16(w, code);
    wr_le16(w, 8);
    time_of(w, ns);
}

static void count_option(struct wr *w, uint16_t code, uint64_t n)
{
    wr_le16(w, code);
    wr_le16(w, 8);
    wr_le64(w, n);
}

size_t pcapng_head(uint8_t *to, const struct pcapng_interface *i)
{
    static const uint8_t digits = NANOSECONDS;
    struct wr w = begin(to, PCAPNG_HEAD_MAX, SECTION_HEADER);
    size_t len;

    wr_le32(&w, BYTE_ORDER_MAGIC);
    wr_le16(&w, 1); /* version 1.0 */
    wr_le16(&w, 0);
    wr_le64(&w, UINT64_MAX); /* the section's length is not known */
    text(&w, SHB_USERAPPL, "bulkhead " BULKHEAD_VERSION);
    option(&w, OPTION_END, NULL, 0);
    len = end(&w);
    w = begin(to + len, PCAPNG_HEAD_MAX - len, INTERFACE_DESCRIPTION);
    wr_le16(&w, LINKTYPE_ETHERNET);
    wr_le16(&w, 0);
    wr_le32(&w, i->snaplen);
    text(&w, IDB_NAME, i->name);
    option(&w, IDB_TSRESOL, &digits, 1);
    if (i->filter != NULL)
        filter(&w, i->filter);
    option(&w, OPTION_END, NULL, 0);
    return len + end(&w);
}

size_t pcapng_packet(uint8_t *to, const struct pcapng_packet *p, const uint8_t *bytes)
{
    struct wr w = begin(to, PCAPNG_PACKET_MAX, ENHANCED_PACKET);

    wr_le32(&w, 0); /* the interface */
    time_of(&w, p->time_ns);
    wr_le32(&w, p->captured);
    wr_le32(&w, p->len);
    wr_bytes(&w, bytes, p->captured);
    pad(&w, p->captured);
    wr_le16(&w, EPB_FLAGS);
    wr_le16(&w, 4);
    wr_le32(&w, p->outbound ? FLAG_OUTBOUND : FLAG_INBOUND);
    option(&w, OPTION_END, NULL, 0);
    return end(&w);
}

size_t pcapng_end(uint8_t *to, const struct pcapng_counts *c)
{
    struct wr w = begin(to, PCAPNG_END_MAX, INTERFACE_STATISTICS);

    wr_le32(&w, 0); /* the interface */
    time_of(&w, c->ended_ns);
    time_option(&w, ISB_BEGAN, c->began_ns);
    time_option(&w, ISB_ENDED, c->ended_ns);
    count_option(&w, ISB_RECEIVED, c->received);
    count_option(&w, ISB_DROPPED, c->dropped);
    count_option(&w, ISB_ACCEPTED, c->accepted);
    option(&w, OPTION_END, NULL, 0);
    return end(&w);
}

size_t pcapng_whole(const uint8_t *blocks, size_t len, uint64_t *ret_packets)
{
    size_t at = 0;

    *ret_packets = 0;
    while (len - at >= BLOCK_HEAD_BYTES) {
        struct rd r = rd_over(blocks + at, BLOCK_HEAD_BYTES);
        uint32_t type = rd_le32(&r);
        uint32_t bytes = rd_le32(&r);

        if (bytes < BLOCK_HEAD_BYTES || bytes > len - at)
            break;
        *ret_packets += type == ENHANCED_PACKET;
        at += bytes;
    }
    return at;
}
