#include "tests/sim/net_raw.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/wr.h"

enum {
    RECEIVE_PAGES = 64,
    SEND_PAGES = 16,
    MESSAGE_BYTES = 128,
    OID_FILTER = 0x0001010e,
    EVERYTHING = 0x2f,
    NVSP_SUCCESS = 1,
};

static const uint64_t LOOK_NS = 5 * NS_PER_MS;
static const uint64_t PATIENCE_NS = 20 * NS_PER_S;

void net_raw_init(struct net_raw *n, struct vmbus_guest *g, unsigned device)
{
    n->vmbus = g;
    n->device = device;
    n->page = vmbus_page(g);
}

/* --- packets --- */

static uint32_t word_of(const uint8_t *bytes, uint32_t len, unsigned word)
{
    struct rd r = rd_over(bytes, len);

    (void)rd_span(&r, 4 * (size_t)word);
    return rd_le32(&r);
}

static void completed(struct net_raw *n, struct net_raw_queue *q, const struct vring_packet *p)
{
    if (p->transaction != q->answered + 1 || p->transaction > q->sent) {
        vmbus_fail(n->vmbus, "channel %u: completion %llu, %llu of %llu were", q->channel.relid,
                   (unsigned long long)p->transaction, (unsigned long long)q->answered,
                   (unsigned long long)q->sent);
        return;
    }
    q->answered++;
    q->answer_len = p->len < sizeof(q->answer) ? p->len : (uint32_t)sizeof(q->answer);
    memcpy(q->answer, p->payload, q->answer_len);
    if (word_of(q->answer, q->answer_len, 0) == NVSP_RNDIS_COMPLETE &&
        word_of(q->answer, q->answer_len, 1) != NVSP_SUCCESS)
        n->refused++;
}

static void on_packet(struct guest_channel *c, const struct vring_packet *p)
{
    struct net_raw *n = c->self;
    struct net_raw_queue *q = (struct net_raw_queue *)(void *)c; /* its first field */

    if (p->type == VRING_COMPLETION)
        completed(n, q, p);
    else if (p->type == VRING_TRANSFER_PAGES && q->n_given < NET_RAW_GIVEN)
        q->given[q->n_given++] = p->transaction;
}

static void give_back(struct net_raw *n, struct net_raw_queue *q)
{
    const uint8_t message[40] = {NVSP_RNDIS_COMPLETE, [4] = 1};

    while (!n->keeps && q->n_given > 0 &&
           vmbus_put(&q->channel, VRING_COMPLETION, q->given[q->n_given - 1], message,
                     sizeof(message)) == 0)
        q->n_given--;
}

static void look(struct net_raw *n, uint64_t most_ns)
{
    (void)vmbus_halt(n->vmbus, 0, most_ns);
    for (unsigned i = 0; i < NET_GUEST_CHANNELS; i++) {
        if (n->queues[i].channel.open)
            give_back(n, &n->queues[i]);
    }
}

static int try_send(struct net_raw_queue *q, const struct net_raw_packet *p)
{
    int r;

    if (p->silent)
        return vmbus_put(&q->channel, p->type, 0, p->payload.at, (uint32_t)p->payload.len);
    q->sent++; /* the completion may come at once */
    r = vmbus_send(&q->channel, p->type, q->sent, p->head.at, (uint32_t)p->head.len, p->payload.at,
                   (uint32_t)p->payload.len);
    if (r < 0)
        q->sent--;
    return r;
}

bool net_raw_send(struct net_raw *n, unsigned channel, const struct net_raw_packet *p)
{
    uint64_t end = clock_now_ns() + PATIENCE_NS;
    int r = try_send(&n->queues[channel], p);

    for (; r == -EAGAIN && !n->vmbus->failed; r = try_send(&n->queues[channel], p)) {
        if (clock_now_ns() > end)
            vmbus_fail(n->vmbus, "NIC %u: its ring stays full", n->device);
        look(n, LOOK_NS);
    }
    return r == 0;
}

static void put_range(struct wr *w, uint64_t page, uint32_t len)
{
    wr_le32(w, 0);
    wr_le32(w, 1);
    wr_le32(w, len);
    wr_le32(w, 0);
    wr_le64(w, page);
}

bool net_raw_send_rndis(struct net_raw *n, unsigned channel, bool control, const void *bytes,
                        uint32_t len)
{
    const uint8_t payload[40] = {
        NVSP_RNDIS, [4] = control, [8] = 0xff, [9] = 0xff, [10] = 0xff, [11] = 0xff};
    uint8_t head[24];
    struct wr w = wr_over(head, sizeof(head));
    const struct net_raw_packet p = {
        .type = VRING_GPA_DIRECT, .head = {head,    sizeof(head)},
             .payload = {payload, 40          }
    };

    put_range(&w, n->page, len);
    memcpy(vmbus_host(n->vmbus, n->page * GUEST_PAGE), bytes, len);
    return net_raw_send(n, channel, &p);
}

bool net_raw_rndis(struct net_raw *n, unsigned channel, bool control, const void *bytes,
                   uint32_t len)
{
    return net_raw_send_rndis(n, channel, control, bytes, len) && net_raw_await(n);
}

bool net_raw_await_given(struct net_raw *n, unsigned channel, unsigned given)
{
    uint64_t end = clock_now_ns() + PATIENCE_NS;

    while (n->queues[channel].n_given < given && !n->vmbus->failed) {
        if (clock_now_ns() > end)
            vmbus_fail(n->vmbus, "NIC %u, channel %u: the guest has got %u packets", n->device,
                       channel, n->queues[channel].n_given);
        look(n, LOOK_NS);
    }
    return !n->vmbus->failed;
}

bool net_raw_await(struct net_raw *n)
{
    uint64_t end = clock_now_ns() + PATIENCE_NS;

    for (unsigned i = 0; i < NET_GUEST_CHANNELS; i++) {
        struct net_raw_queue *q = &n->queues[i];

        while (q->channel.open && q->answered < q->sent && !n->vmbus->failed) {
            if (clock_now_ns() > end)
                vmbus_fail(n->vmbus, "NIC %u, channel %u: %llu answers to %llu packets", n->device,
                           i, (unsigned long long)q->answered, (unsigned long long)q->sent);
            look(n, LOOK_NS);
        }
    }
    look(n, 0);
    return !n->vmbus->failed;
}

uint32_t net_raw_answer(const struct net_raw *n, unsigned channel, unsigned word)
{
    const struct net_raw_queue *q = &n->queues[channel];

    return word_of(q->answer, q->answer_len, word);
}

uint32_t net_raw_ask(struct net_raw *n, unsigned channel, const uint32_t *words, unsigned n_words)
{
    uint8_t message[MESSAGE_BYTES] = {0};
    struct wr w = wr_over(message, sizeof(message));
    const struct net_raw_packet p = {
        .type = VRING_IN_BAND, .payload = {message, 40}
    };

    for (unsigned i = 0; i < n_words; i++)
        wr_le32(&w, words[i]);
    if (!net_raw_send(n, channel, &p) || !net_raw_await(n))
        return UINT32_MAX;
    return net_raw_answer(n, channel, 1);
}

/* --- up and down --- */

bool net_raw_open(struct net_raw *n, unsigned channel, unsigned pages, bool listens)
{
    struct net_raw_queue *q = &n->queues[channel];
    uint32_t relid = vmbus_await_offer(n->vmbus, net_interface, n->device, channel);
    bool opened;

    q->sent = q->answered = 0;
    q->n_given = 0;
    q->channel.packet = on_packet;
    q->channel.self = n;
    opened = relid != 0 && vmbus_open(n->vmbus, &q->channel, relid, pages, 0);
    q->channel.open &= listens;
    return opened;
}

bool net_raw_lend(struct net_raw *n, struct net_buffer *b, unsigned pages)
{
    uint32_t status;

    b->gpadl = ++n->vmbus->last_id;
    b->pages = pages;
    for (unsigned i = 0; i < pages; i++)
        b->pfns[i] = vmbus_page(n->vmbus);
    status = vmbus_lend(n->vmbus, n->queues[0].channel.relid, b->gpadl, b->pfns, pages);
    if (status != 0)
        vmbus_fail(n->vmbus, "a buffer of %u pages cannot be lent: status %#x", pages, status);
    return status == 0;
}

bool net_raw_take_back(struct net_raw *n, struct net_buffer *b)
{
    if (b->gpadl == 0)
        return true;
    if (!vmbus_take_back(n->vmbus, n->queues[0].channel.relid, b->gpadl))
        return false;
    for (unsigned i = 0; i < b->pages; i++) {
        memset(vmbus_host(n->vmbus, b->pfns[i] * GUEST_PAGE), 0xee, GUEST_PAGE);
        vmbus_page_free(n->vmbus, b->pfns[i]);
    }
    b->gpadl = 0;
    return true;
}

bool net_raw_close(struct net_raw *n)
{
    uint32_t closed = 0;
    bool good;

    for (unsigned i = NET_GUEST_CHANNELS; i-- > 0;) {
        struct guest_channel *c = &n->queues[i].channel;

        if (c->relid != 0 && !vmbus_close(n->vmbus, c))
            return false;
        if (c->relid != 0)
            closed = c->relid;
        c->relid = 0;
    }
    n->keeps = false;
    n->queues[0].channel.relid = closed; /* whose memory it is */
    good = net_raw_take_back(n, &n->receive) && net_raw_take_back(n, &n->send);
    n->queues[0].channel.relid = 0;
    return good;
}

bool net_raw_agree(struct net_raw *n)
{
    const uint32_t init[] = {NVSP_INIT, 0x60001, 0x60001};
    const uint32_t ndis[] = {NVSP_NDIS_VERSION, 6, 30};

    (void)net_raw_ask(n, 0, init, COUNT_OF(init));
    if (net_raw_answer(n, 0, 3) != NVSP_SUCCESS)
        vmbus_fail(n->vmbus, "NIC %u: no version", n->device);
    (void)net_raw_ask(n, 0, ndis, COUNT_OF(ndis));
    return !n->vmbus->failed;
}

static bool hand_over(struct net_raw *n, uint32_t type, struct net_buffer *b, unsigned pages)
{
    uint32_t words[] = {type, 0, type == NVSP_RECEIVE_BUFFER ? 0xcafe : 0};

    if (!net_raw_lend(n, b, pages))
        return false;
    words[1] = b->gpadl;
    if (net_raw_ask(n, 0, words, COUNT_OF(words)) != NVSP_SUCCESS)
        vmbus_fail(n->vmbus, "NIC %u: a buffer is refused", n->device);
    return !n->vmbus->failed;
}

bool net_raw_start(struct net_raw *n)
{
    const uint32_t initialize[] = {RNDIS_INITIALIZE, 24, 1, 1, 0, 0x4000};
    const uint32_t filter[] = {RNDIS_SET, 32, 2, OID_FILTER, 4, 20, 0, EVERYTHING};

    return net_raw_agree(n) && hand_over(n, NVSP_RECEIVE_BUFFER, &n->receive, RECEIVE_PAGES) &&
           hand_over(n, NVSP_SEND_BUFFER, &n->send, SEND_PAGES) &&
           net_raw_rndis(n, 0, true, initialize, sizeof(initialize)) &&
           net_raw_rndis(n, 0, true, filter, sizeof(filter));
}
