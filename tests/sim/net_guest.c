#include "tests/sim/net_guest.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/rd.h"
#include "base/wr.h"

enum {
    VERSION_2 = 0x30002,
    VERSION_5 = 0x50000,
    MTU = 1514, /* with the header, as it is said */
    RECEIVE_BUFFER = 0xcafe,
    OID_MEDIA_CONNECT = 0x00010114,
    OID_FRAME_SIZE = 0x00010106,
    OID_FILTER = 0x0001010e,
    OID_ADDRESS = 0x01010101,
    OID_RSS = 0x00010204,
    FILTER_DIRECTED = 1,
    RSS_BYTES = 40,
    KEY_BYTES = 40,
    VALUE_OFFSET = 20, /* of a request: id, oid, length, offset, handle */
    VALUE_MAX = RSS_BYTES + 4 * NET_GUEST_TABLE + KEY_BYTES,
    REPLY_STATUS_AT = 12,
    REPLY_VALUE_AT = 24,
    NONSENSE = 0xee,
    SEND_SECTION_BYTES = 6144,
};

/* f8615163-df3e-46c5-913f-f2d2f965ed0e */
const uint8_t net_interface[16] = {0x63, 0x51, 0x61, 0xf8, 0x3e, 0xdf, 0xc5, 0x46,
                                   0x91, 0x3f, 0xf2, 0xd2, 0xf9, 0x65, 0xed, 0x0e};
static const uint64_t LOOK_NS = 5 * NS_PER_MS;
static const uint64_t WAIT_NS = 20 * NS_PER_S;

void net_guest_init(struct net_guest *n, struct vmbus_guest *g, unsigned device)
{
    n->vmbus = g;
    n->device = device;
    (void)pthread_mutex_init(&n->send_lock, NULL);
    for (unsigned i = 0; i < NET_GUEST_CHANNELS; i++)
        (void)pthread_mutex_init(&n->queues[i].lock, NULL);
    flows_init(n->flows, true, device);
}

/* --- memory --- */

static uint8_t *page_at(const struct net_guest *n, const uint64_t *pfns, uint32_t at, uint32_t len,
                        uint32_t *ret_n)
{
    uint32_t left = GUEST_PAGE - at % GUEST_PAGE;

    *ret_n = len < left ? len : left;
    return vmbus_host(n->vmbus, pfns[at / GUEST_PAGE] * GUEST_PAGE) + at % GUEST_PAGE;
}

void net_pages_put(const struct net_guest *n, const uint64_t *pfns, uint32_t at, const void *from,
                   uint32_t len)
{
    uint32_t some;

    for (uint32_t i = 0; i < len; i += some) {
        uint8_t *to = page_at(n, pfns, at + i, len - i, &some);

        memcpy(to, (const uint8_t *)from + i, some);
    }
}

void net_pages_get(const struct net_guest *n, const uint64_t *pfns, uint32_t at, void *to,
                   uint32_t len)
{
    uint32_t some;

    for (uint32_t i = 0; i < len; i += some) {
        const uint8_t *from = page_at(n, pfns, at + i, len - i, &some);

        memcpy((uint8_t *)to + i, from, some);
    }
}

void net_pages_spoil(const struct net_guest *n, const uint64_t *pfns, uint32_t at, uint32_t len)
{
    uint32_t some;

    for (uint32_t i = 0; i < len; i += some) {
        uint8_t *to = page_at(n, pfns, at + i, len - i, &some);

        memset(to, NONSENSE, some);
    }
}

static bool lend(struct net_guest *n, struct net_buffer *b, unsigned pages)
{
    struct vmbus_guest *g = n->vmbus;
    uint32_t status;

    b->gpadl = ++g->last_id;
    b->pages = pages;
    for (unsigned i = 0; i < pages; i++)
        b->pfns[i] = vmbus_page(g);
    status = vmbus_lend(g, n->queues[0].channel.relid, b->gpadl, b->pfns, pages);
    if (status != 0)
        vmbus_fail(g, "a buffer of %u pages cannot be lent: status %#x", pages, status);
    return status == 0;
}

static bool take_back(struct net_guest *n, struct net_buffer *b)
{
    if (!vmbus_take_back(n->vmbus, n->queues[0].channel.relid, b->gpadl))
        return false;
    net_pages_spoil(n, b->pfns, 0, b->pages * GUEST_PAGE);
    for (unsigned i = 0; i < b->pages; i++)
        vmbus_page_free(n->vmbus, b->pfns[i]);
    b->section_bytes = b->sections = 0;
    return true;
}

/* --- requests --- */

/* Let the interrupts come; what the host gave to answer with goes back to it. */
static void look(struct net_guest *n)
{
    (void)vmbus_halt(n->vmbus, 0, LOOK_NS);
    (void)net_give_back(n, 0, 0, true);
}

static bool wait_for(struct net_guest *n, const _Atomic bool *what, const char *name)
{
    uint64_t end = clock_now_ns() + WAIT_NS;

    while (!*what && !n->vmbus->failed) {
        if (clock_now_ns() > end)
            vmbus_fail(n->vmbus, "NIC: no %s", name);
        look(n);
    }
    return !n->vmbus->failed;
}

static struct net_tag *take(struct net_guest *n)
{
    struct net_tag *tag = net_take(n, 0);

    for (; tag == NULL && !n->vmbus->failed; tag = net_take(n, 0))
        look(n);
    if (tag != NULL)
        tag->waited_for = true;
    return tag;
}

/* Send it, wait for its completion. */
static bool run(struct net_guest *n, struct net_tag *tag, const uint8_t *message, uint32_t len)
{
    int r = net_submit(n, 0, tag, message, len, 0);

    for (; r == -EAGAIN && !n->vmbus->failed; r = net_submit(n, 0, tag, message, len, 0))
        look(n);
    return r == 0 && wait_for(n, &tag->completed, "completion");
}

/* An NVSP message that is answered: the answer behind its type. */
static bool ask(struct net_guest *n, const struct wr *w, const uint8_t *message,
                uint8_t answer[NET_GUEST_ANSWER])
{
    struct net_tag *tag = take(n);
    size_t len = 0;
    bool good = tag != NULL && wr_finish(w, &len) == 0 && run(n, tag, message, (uint32_t)len);

    if (good)
        memcpy(answer, tag->answer + 4, sizeof(tag->answer) - 4);
    if (tag != NULL)
        net_put(n, 0, tag);
    return good;
}

/* One that is not. */
static bool tell(struct net_guest *n, uint32_t type, uint32_t first, uint32_t second)
{
    uint8_t message[40] = {0};
    struct wr w = wr_over(message, sizeof(message));
    int r;

    wr_le32(&w, type);
    wr_le32(&w, first);
    wr_le32(&w, second);
    do {
        r = vmbus_put(&n->queues[0].channel, VRING_IN_BAND, 0, message, sizeof(message));
        if (r == -EAGAIN)
            look(n);
    } while (r == -EAGAIN && !n->vmbus->failed);
    return r == 0;
}

static void put_value(struct wr *w, uint32_t type, uint32_t id, uint32_t oid, struct span value)
{
    bool has_value = type == RNDIS_QUERY || type == RNDIS_SET;
    uint32_t body = has_value ? 16 : 12;

    wr_le32(w, type);
    wr_le32(w, 8 + 4 + body + (uint32_t)value.len);
    wr_le32(w, id);
    if (has_value) {
        wr_le32(w, oid);
        wr_le32(w, (uint32_t)value.len);
        wr_le32(w, VALUE_OFFSET);
        wr_le32(w, 0);
    } else { /* INITIALIZE: version 1.0, the longest message */
        wr_le32(w, 1);
        wr_le32(w, 0);
        wr_le32(w, 0x4000);
    }
    wr_bytes(w, value.at, value.len);
}

/* An RNDIS request, in memory of the tag's; its answer, unless it has none, is in n->reply then. */
static bool request(struct net_guest *n, uint32_t type, uint32_t oid, struct span value)
{
    uint8_t bytes[40 + VALUE_MAX], message[40];
    struct wr w = wr_over(bytes, sizeof(bytes));
    struct net_tag *tag = take(n);
    size_t len = 0;
    bool good;

    if (tag == NULL)
        return false;
    vmbus_lock(n->vmbus, &n->queues[0].channel.lock);
    n->request++;
    n->request_type = type;
    n->replied = false;
    vmbus_unlock(n->vmbus, &n->queues[0].channel.lock);
    put_value(&w, type, n->request, oid, value);
    good = wr_finish(&w, &len) == 0;
    tag->bytes = (uint32_t)len;
    net_pages_put(n, tag->pfns, 0, bytes, tag->bytes);
    good = good && run(n, tag, message, net_rndis_message(tag, true, message));
    net_put(n, 0, tag);
    return good && (type == RNDIS_HALT || wait_for(n, &n->replied, "RNDIS answer"));
}

static bool is_good(struct net_guest *n, uint32_t oid)
{
    struct rd r = rd_over(n->reply, n->reply_len);
    uint32_t status;

    (void)rd_span(&r, REPLY_STATUS_AT);
    status = rd_le32(&r);
    if (!rd_ok(&r) || status != 0)
        vmbus_fail(n->vmbus, "RNDIS: OID %#x: status %#x", oid, status);
    return rd_ok(&r) && status == 0;
}

static bool query(struct net_guest *n, uint32_t oid, void *value, uint32_t len)
{
    struct rd r;

    if (!request(n, RNDIS_QUERY, oid, (struct span){0}) || !is_good(n, oid))
        return false;
    r = rd_over(n->reply, n->reply_len);
    (void)rd_span(&r, REPLY_VALUE_AT);
    rd_copy(&r, value, len);
    if (rd_finish(&r) < 0)
        vmbus_fail(n->vmbus, "RNDIS: OID %#x has %u bytes", oid, n->reply_len - REPLY_VALUE_AT);
    return rd_finish(&r) == 0;
}

static bool set(struct net_guest *n, uint32_t oid, struct span value)
{
    return request(n, RNDIS_SET, oid, value) && is_good(n, oid);
}

bool net_try_query(struct net_guest *n, uint32_t oid, uint32_t *ret_status)
{
    struct rd r;

    if (!request(n, RNDIS_QUERY, oid, (struct span){0}))
        return false;
    r = rd_over(n->reply, n->reply_len);
    (void)rd_span(&r, REPLY_STATUS_AT);
    *ret_status = rd_le32(&r);
    return rd_ok(&r);
}

bool net_set_filter(struct net_guest *n, bool open)
{
    uint8_t value[4] = {open ? FILTER_DIRECTED : 0};

    return set(n, OID_FILTER, (struct span){value, sizeof(value)});
}

bool net_look_at_link(struct net_guest *n)
{
    uint8_t state[4] = {1};

    if (!query(n, OID_MEDIA_CONNECT, state, sizeof(state)))
        return false;
    if (state[0] != 0)
        vmbus_fail(n->vmbus, "the link is down");
    return state[0] == 0;
}

/* --- up --- */

static bool agree(struct net_guest *n)
{
    uint8_t message[40] = {0}, answer[NET_GUEST_ANSWER] = {0};
    struct wr w = wr_over(message, sizeof(message));
    uint32_t version = n->way.version;
    struct rd r = rd_over(answer, sizeof(answer));
    uint32_t status;

    wr_le32(&w, NVSP_INIT);
    wr_le32(&w, version);
    wr_le32(&w, version);
    if (!ask(n, &w, message, answer))
        return false;
    (void)rd_span(&r, 8);
    status = rd_le32(&r);
    if (status != 1)
        vmbus_fail(n->vmbus, "NVSP version %#x: status %u", version, status);
    return status == 1 && (version < VERSION_2 || tell(n, NVSP_NDIS_CONFIG, MTU, 0)) &&
           tell(n, NVSP_NDIS_VERSION, 6, version < VERSION_5 ? 1 : 30);
}

/* Ask for the use of a buffer: its answer behind the status. */
static bool hand_over(struct net_guest *n, uint32_t type, uint32_t gpadl, uint32_t id,
                      uint8_t answer[NET_GUEST_ANSWER])
{
    uint8_t message[40] = {0};
    struct wr w = wr_over(message, sizeof(message));
    struct rd r = rd_over(answer, NET_GUEST_ANSWER);
    uint32_t status;

    wr_le32(&w, type);
    wr_le32(&w, gpadl);
    wr_le16(&w, (uint16_t)id);
    if (!ask(n, &w, message, answer))
        return false;
    status = rd_le32(&r);
    if (status != 1)
        vmbus_fail(n->vmbus, "NVSP %u: status %u", type, status);
    return status == 1;
}

static bool lend_receive(struct net_guest *n)
{
    uint8_t answer[NET_GUEST_ANSWER] = {0};
    struct rd r = rd_over(answer, sizeof(answer));
    uint32_t one, offset, end;

    if (!lend(n, &n->receive, n->way.receive_pages) ||
        !hand_over(n, NVSP_RECEIVE_BUFFER, n->receive.gpadl, RECEIVE_BUFFER, answer))
        return false;
    (void)rd_le32(&r);
    one = rd_le32(&r);
    offset = rd_le32(&r);
    n->receive.section_bytes = rd_le32(&r);
    n->receive.sections = rd_le32(&r);
    end = rd_le32(&r);
    if (one == 1 && offset == 0 && n->receive.section_bytes > MTU &&
        n->receive.sections > NET_GUEST_CONTROL_SECTIONS &&
        n->receive.sections <= NET_GUEST_SECTIONS &&
        end == n->receive.sections * n->receive.section_bytes &&
        end <= n->receive.pages * GUEST_PAGE)
        return true;
    vmbus_fail(n->vmbus, "receive buffer: %u sections of %u bytes", n->receive.sections,
               n->receive.section_bytes);
    return false;
}

static bool lend_send(struct net_guest *n)
{
    uint8_t answer[NET_GUEST_ANSWER] = {0};
    struct rd r = rd_over(answer, sizeof(answer));

    if (!lend(n, &n->send, n->way.send_pages) ||
        !hand_over(n, NVSP_SEND_BUFFER, n->send.gpadl, 0, answer))
        return false;
    (void)rd_le32(&r);
    n->send.section_bytes = rd_le32(&r);
    if (n->send.section_bytes != SEND_SECTION_BYTES) {
        vmbus_fail(n->vmbus, "send buffer: sections of %u bytes", n->send.section_bytes);
        return false;
    }
    n->send.sections = n->send.pages * GUEST_PAGE / n->send.section_bytes;
    return true;
}

static bool start_rndis(struct net_guest *n)
{
    const uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)(1 + n->device)};
    uint8_t got[6] = {0}, mtu[4] = {0};
    bool good = request(n, RNDIS_INITIALIZE, 0, (struct span){0}) && is_good(n, 0) &&
                query(n, OID_ADDRESS, got, sizeof(got)) &&
                query(n, OID_FRAME_SIZE, mtu, sizeof(mtu)) && net_look_at_link(n);

    if (good && (memcmp(got, mac, sizeof(mac)) != 0 || (mtu[0] | mtu[1] << 8) != MTU - 14))
        vmbus_fail(n->vmbus, "another address, or MTU, than was configured");
    return good && !n->vmbus->failed;
}

static bool open_queue(struct net_guest *n, unsigned i)
{
    struct net_queue *q = &n->queues[i];
    uint32_t relid = vmbus_await_offer(n->vmbus, net_interface, n->device, i);

    if (relid == 0)
        return false;
    q->channel.packet = net_packet;
    q->channel.self = n;
    return vmbus_open(n->vmbus, &q->channel, relid, n->way.ring_pages, i % n->vmbus->n_vps);
}

static bool open_subchannels(struct net_guest *n)
{
    uint8_t message[40] = {0}, answer[NET_GUEST_ANSWER] = {0};
    struct wr w = wr_over(message, sizeof(message));
    struct rd r = rd_over(answer, sizeof(answer));
    uint32_t status, granted;

    wr_le32(&w, NVSP_SUBCHANNEL);
    wr_le32(&w, 1);
    wr_le32(&w, n->way.channels - 1);
    if (!ask(n, &w, message, answer))
        return false;
    status = rd_le32(&r);
    granted = rd_le32(&r);
    if (status != 1 || granted != n->way.channels - 1) {
        vmbus_fail(n->vmbus, "%u subchannels: status %u, %u granted", n->way.channels - 1, status,
                   granted);
        return false;
    }
    for (unsigned i = 1; i <= granted; i++) {
        if (!open_queue(n, i))
            return false;
        n->n_queues = i + 1;
    }
    return true;
}

/* @spec NDIS_RECEIVE_SCALE_PARAMETERS, as Linux's rndis_set_rss_param_msg() has it */
static bool set_rss(struct net_guest *n)
{
    uint8_t value[VALUE_MAX] = {0};
    struct wr w = wr_over(value, sizeof(value));
    size_t len = 0;

    wr_u8(&w, 0x89);
    wr_u8(&w, 2);
    wr_le16(&w, RSS_BYTES);
    wr_le16(&w, 0);
    wr_le16(&w, 0);
    wr_le32(&w, 1 | 0x300); /* Toeplitz, IPv4 and TCP over it */
    wr_le16(&w, 4 * NET_GUEST_TABLE);
    wr_le16(&w, 0);
    wr_le32(&w, RSS_BYTES);
    wr_le16(&w, KEY_BYTES);
    wr_le16(&w, 0);
    wr_le32(&w, RSS_BYTES + 4 * NET_GUEST_TABLE);
    wr_bytes(&w, (const uint8_t[12]){0}, 12); /* masks of processors */
    for (unsigned i = 0; i < NET_GUEST_TABLE; i++) {
        n->table[i] = (uint8_t)((i * 5 + i / 8) % n->n_queues);
        wr_le32(&w, n->table[i]);
    }
    for (unsigned i = 0; i < KEY_BYTES; i++)
        wr_u8(&w, (uint8_t)(i * 37 + 11));
    if (wr_finish(&w, &len) < 0 || !set(n, OID_RSS, (struct span){value, len}))
        return false;
    n->has_table = true;
    return true;
}

bool net_connect(struct net_guest *n, const struct net_guest_way *way)
{
    n->way = *way;
    n->has_table = false;
    for (unsigned i = 0; i < FLOWS; i++)
        n->channels[i] = -1;
    if (!open_queue(n, 0))
        return false;
    n->n_queues = 1;
    return agree(n) && lend_receive(n) && lend_send(n) && start_rndis(n) &&
           (way->channels == 1 || (open_subchannels(n) && set_rss(n)));
}

/* --- down --- */

static bool close_channels(struct net_guest *n)
{
    unsigned queues = n->n_queues;

    n->n_queues = 0;
    for (unsigned i = queues; i-- > 0;) {
        if (!vmbus_close(n->vmbus, &n->queues[i].channel))
            return false;
    }
    return true;
}

static bool take_buffers_back(struct net_guest *n)
{
    return take_back(n, &n->receive) && take_back(n, &n->send);
}

static void check_nothing_is_left(struct net_guest *n)
{
    for (unsigned i = 0; i < NET_GUEST_SECTIONS; i++) {
        if (n->sections[i].is_ours)
            vmbus_fail(n->vmbus, "section %u is still the guest's", i);
    }
}

bool net_disconnect(struct net_guest *n)
{
    bool early = n->way.takes_back_early;

    if (!request(n, RNDIS_HALT, 0, (struct span){0}) ||
        !tell(n, NVSP_REVOKE_RECEIVE_BUFFER, RECEIVE_BUFFER, 0) ||
        !tell(n, NVSP_REVOKE_SEND_BUFFER, 0, 0))
        return false;
    check_nothing_is_left(n);
    if (early && !take_buffers_back(n))
        return false;
    return close_channels(n) && (early || take_buffers_back(n));
}
