/*
 * tests/fuzz/fuzz_carried.c - where in its memory a guest says that a packet's bytes are: page-buffer ranges, a section of
 * its send buffer.
 *
 * Input: u8 sections of the send buffer, u8 whether that is lent, u32 section and u32 its bytes as the packet has them, u32
 * and u32 a stretch to be looked at; what is left over is between the packet's descriptor and its payload.
 *
 * Promises: what is accepted is as long as its ranges say, in no more pieces than there is room for; a stretch of it is
 * inside of the guest's memory or refused; copied or described for the kernel, it is the same bytes.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/rd.h"
#include "tests/fakes/guest_rings.h"
#include "workers/net/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    HEAD_MAX = 1200,
    CARRIED_MAX = 128 * 1024,
    SEND_FIRST = 40, /* pages of the send buffer */
    SEND_PAGES = 12,
    SEND_OFFSET = 100,
};

static uint8_t ram[RAM_PAGES * 4096] __attribute__((aligned(4096)));
static struct guest_rings guest;
static struct frames_page page;
static struct net net;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void set_up(void)
{
    const struct vmbus_channel c = guest_channel(1);
    struct line *l = &net.nics[0].lines[0];

    memset(ram, 0, (size_t)2 * RING_PAGES * 4096);
    for (size_t i = (size_t)2 * RING_PAGES * 4096; i < sizeof(ram); i++)
        ram[i] = (uint8_t)(i * 7 + i / 4096);
    guest_rings_init(&guest, ram);
    net.bus.memory = guest.memory;
    l->log = &page.channels[0];
    l->owners = page.owners[0];
    must(line_open(l, &guest.memory, &c, guest.pfns, false) == 0);
}

static void lend_send(uint8_t sections, bool lent)
{
    struct nic *n = &net.nics[0];
    uint64_t pfns[SEND_PAGES];

    for (unsigned i = 0; i < SEND_PAGES; i++)
        pfns[i] = SEND_FIRST + SEND_PAGES - 1 - i;
    must(gmem_pages_init(&n->send.pages, &net.bus.memory, pfns, SEND_PAGES, n->send.hosts) == 0);
    n->send.id = lent ? 7 : 0;
    n->send.bytes = SEND_PAGES * 4096 - SEND_OFFSET;
    n->send.offset = SEND_OFFSET;
    n->nvsp.send = (struct nvsp_buffer){.gpadl = 7, .section_bytes = NVSP_SEND_SECTION_BYTES};
    n->nvsp.send.sections = sections % (n->send.bytes / NVSP_SEND_SECTION_BYTES + 1);
}

/* How long the ranges are, read another way: -1: they make no sense, or are too many. */
static int64_t bytes_of_ranges(struct span head)
{
    struct rd r = rd_over(head.at, head.len);
    uint64_t sum = 0;
    uint32_t n;

    (void)rd_le32(&r);
    n = rd_le32(&r);
    if (!rd_ok(&r) || n > NET_PIECES)
        return -1;
    for (; n > 0; n--) {
        uint64_t len = rd_le32(&r);
        uint64_t offset = rd_le32(&r);
        uint64_t pages = len == 0 ? 0 : (offset + len + 4095) / 4096;

        if (!rd_ok(&r) || offset >= 4096 || pages * 8 > r.left)
            return -1;
        (void)rd_span(&r, pages * 8);
        sum += len;
    }
    return sum > CARRIED_MAX ? -1 : (int64_t)sum;
}

static bool is_of_guest(const struct iovec *v)
{
    const uint8_t *at = v->iov_base;

    return at >= ram && range_inside((uint64_t)(at - ram), v->iov_len, sizeof(ram));
}

/* The same stretch both ways. */
static void look(const struct carried *c, uint32_t at, uint32_t len)
{
    struct iovec v[NET_PIECES];
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    int copied, parts;
    uint32_t seen = 0;

    must(copy != NULL);
    copied = carried_copy(&net, &net.nics[0], c, at, copy, len);
    parts = carried_iovecs(&net, &net.nics[0], c, at, len, v, NET_PIECES);
    must(copied == 0 || copied == -EFAULT);
    must(parts <= NET_PIECES && (copied == 0 || parts < 0));
    for (int i = 0; i < parts; i++) {
        must(is_of_guest(&v[i]) && v[i].iov_len <= len - seen);
        must(memcmp(v[i].iov_base, copy + seen, v[i].iov_len) == 0);
        seen += (uint32_t)v[i].iov_len;
    }
    must(parts < 0 || seen == len);
    free(copy);
}

static void check(const struct carried *c, const struct nvsp_rndis_packet *rndis, struct span head,
                  int r)
{
    const struct nvsp_buffer *b = &net.nics[0].nvsp.send;
    bool has_section = rndis->section != NVSP_NO_SECTION;
    bool is_section = !has_section || (net.nics[0].send.id != 0 && rndis->section < b->sections &&
                                       rndis->section_bytes <= b->section_bytes);
    int64_t ranges = bytes_of_ranges(head);

    if (r < 0) {
        must(c->n == 0 && c->len == 0);
        return;
    }
    must(is_section && ranges >= 0 && c->n <= NET_PIECES);
    must(c->len == (uint32_t)ranges + (has_section ? rndis->section_bytes : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t payload[PACKET_BYTES];
    static struct carried c;
    struct rd r = rd_over(data, size);
    struct nvsp_rndis_packet rndis = {0};
    struct vmring_packet p;
    struct span head;
    uint8_t sections;
    uint32_t at, len;
    int e;

    set_up();
    sections = rd_u8(&r);
    lend_send(sections, rd_u8(&r) % 8 != 0);
    rndis.section = rd_le32(&r);
    rndis.section_bytes = rd_le32(&r);
    at = rd_le32(&r);
    len = rd_le32(&r) % (2 * CARRIED_MAX);
    if (!rd_ok(&r) || r.left > HEAD_MAX)
        return 0;
    head = rd_span(&r, r.left / 8 * 8);
    must(guest_send(&guest, VMRING_GPA_DIRECT, 1, head.at, (uint32_t)head.len, payload,
                    PACKET_BYTES));
    must(line_next(&net.nics[0].lines[0], &p) == 0);
    e = carried_by(&net.nics[0], &net.nics[0].lines[0], &p, &rndis, &c);
    check(&c, &rndis, head, e);
    look(&c, at, len);
    look(&c, 0, c.len);
    look(&c, at % (c.len + 1), len % (c.len - at % (c.len + 1) + 1));
    return 0;
}
