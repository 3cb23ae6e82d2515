#include <string.h>

#include "base/wr.h"
#include "tests/integration/net_hostile.h"

enum {
    RING_PAGES = 9,
    SUCCESS = 1,
    FAILURE = 2,
    MESSAGES = 400,
    ROUNDS = 12,
    VERSION = 0x60001,
    CHANNELS = 8,
};

static bool expect(struct net_hostile *h, const uint32_t *words, unsigned n, uint32_t status,
                   const char *what)
{
    uint32_t got = net_raw_ask(&h->raw, 0, words, n);

    if (words[0] == NVSP_INIT)
        got = net_raw_answer(&h->raw, 0, 3);
    if (got != status)
        vmbus_fail(h->raw.vmbus, "%s: status %u", what, got);
    return !h->raw.vmbus->failed;
}

/* Those that there are not, more at once, too few bytes; again when there is one; again with buffers. */
bool net_hostile_versions(struct net_hostile *h)
{
    static const uint32_t bad[][3] = {
        {NVSP_INIT, VERSION,    2         },
        {NVSP_INIT, 0,          0         },
        {NVSP_INIT, 0x60002,    0x60002   },
        {NVSP_INIT, 3,          UINT32_MAX},
        {NVSP_INIT, 0,          0x30001   },
        {NVSP_INIT, UINT32_MAX, 0         },
    };
    static const uint32_t good[] = {NVSP_INIT, 2, VERSION};
    bool fine = net_raw_open(&h->raw, 0, RING_PAGES, true);

    for (size_t i = 0; fine && i < COUNT_OF(bad); i++)
        fine = expect(h, bad[i], 3, FAILURE, "a version that is none");
    for (unsigned i = 0; fine && i < 3; i++)
        fine = expect(h, good, 3, SUCCESS, "a version");
    return fine && net_raw_start(&h->raw) &&
           expect(h, good, 3, FAILURE, "a version behind buffers") && net_raw_close(&h->raw);
}

static bool refuse_buffer(struct net_hostile *h, uint32_t gpadl, const char *what)
{
    const uint32_t receive[] = {NVSP_RECEIVE_BUFFER, gpadl, 0xcafe};
    const uint32_t send[] = {NVSP_SEND_BUFFER, gpadl, 0};

    return expect(h, receive, 3, FAILURE, what) && expect(h, send, 3, FAILURE, what);
}

/* Before a version; of nothing, of somebody else's memory; too small; twice. */
bool net_hostile_buffers(struct net_hostile *h)
{
    struct net_raw *n = &h->raw;
    struct net_buffer *one = &n->send;
    uint32_t receive[] = {NVSP_RECEIVE_BUFFER, 0, 0xcafe};
    bool good = net_raw_open(n, 0, RING_PAGES, true) && net_raw_lend(n, one, 1) &&
                refuse_buffer(h, one->gpadl, "a buffer before a version") && net_raw_agree(n) &&
                refuse_buffer(h, 0, "no list") && refuse_buffer(h, UINT32_MAX, "an unknown list") &&
                refuse_buffer(h, h->foreign, "another NIC's memory");

    receive[1] = one->gpadl;
    good = good && expect(h, receive, 3, FAILURE, "a buffer of one page") &&
           net_raw_take_back(n, one) && refuse_buffer(h, receive[1], "a list that is gone") &&
           net_raw_start(n) && refuse_buffer(h, n->receive.gpadl, "a second buffer") &&
           refuse_buffer(h, n->send.gpadl, "a second buffer");
    return good && net_raw_close(n);
}

static bool expect_granted(struct net_hostile *h, uint32_t op, uint32_t asked, uint32_t status,
                           uint32_t granted)
{
    const uint32_t words[] = {NVSP_SUBCHANNEL, op, asked};

    if (!expect(h, words, 3, status, "subchannels"))
        return false;
    if (net_raw_answer(&h->raw, 0, 2) != granted)
        vmbus_fail(h->raw.vmbus, "%u of %u subchannels are granted", net_raw_answer(&h->raw, 0, 2),
                   asked);
    return !h->raw.vmbus->failed;
}

/* What only the first channel may say. */
static bool speak_on_subchannel(struct net_hostile *h)
{
    const uint32_t init[] = {NVSP_INIT, VERSION, VERSION};
    const uint32_t query[] = {RNDIS_QUERY, 28, 1, 0x00010106, 0, 0, 0};
    struct net_raw *n = &h->raw;

    if (!net_raw_open(n, 1, RING_PAGES, true) || !net_raw_open(n, CHANNELS - 1, RING_PAGES, true))
        return false;
    for (unsigned i = 1; i < CHANNELS; i += CHANNELS - 2) {
        if (net_raw_ask(n, i, init, COUNT_OF(init)) != FAILURE ||
            !net_raw_rndis(n, i, true, query, sizeof(query)) || net_raw_answer(n, i, 1) != FAILURE)
            vmbus_fail(n->vmbus, "a request on subchannel %u is not refused", i);
    }
    return !n->vmbus->failed;
}

/* Before buffers; none, too many, again; another operation; control packets there. */
bool net_hostile_subchannels(struct net_hostile *h)
{
    struct net_raw *n = &h->raw;

    return net_raw_open(n, 0, RING_PAGES, true) && expect_granted(h, 1, 1, FAILURE, 0) &&
           net_raw_agree(n) && expect_granted(h, 1, 1, FAILURE, 0) && net_raw_start(n) &&
           expect_granted(h, 0, 1, FAILURE, 0) && expect_granted(h, 2, 1, FAILURE, 0) &&
           expect_granted(h, 1, 0, SUCCESS, 0) &&
           expect_granted(h, 1, UINT32_MAX, SUCCESS, CHANNELS - 1) &&
           expect_granted(h, 1, 9, FAILURE, 0) && speak_on_subchannel(h) && net_raw_close(n);
}

/* --- any message --- */

static uint32_t random_word(struct net_hostile *h)
{
    const uint32_t words[] = {0,
                              1,
                              2,
                              7,
                              8,
                              0xcafe,
                              0x60001,
                              0x50000,
                              2,
                              1514,
                              9014,
                              65535,
                              82,
                              UINT32_MAX,
                              0x80000000,
                              h->foreign,
                              h->raw.receive.gpadl,
                              h->raw.send.gpadl,
                              h->raw.queues[0].channel.gpadl,
                              3};

    return net_hostile_chance(h, 8) == 0 ? net_hostile_chance(h, UINT32_MAX)
                                         : words[net_hostile_chance(h, COUNT_OF(words))];
}

/* Not the one that sends frames: see net_hostile_rndis.c. */
static uint32_t random_type(struct net_hostile *h)
{
    static const uint32_t types[] = {1,   2,   100, 101, 102, 103, 104, 105,       106,
                                     108, 109, 119, 120, 124, 125, 126, 128,       129,
                                     131, 132, 133, 134, 135, 136, 0,   UINT32_MAX};

    return types[net_hostile_chance(h, COUNT_OF(types))];
}

static bool send_any(struct net_hostile *h)
{
    static const uint16_t types[] = {0, 1, 6, 6, 6, 7, 9, 0xff};
    uint8_t message[128];
    struct wr w = wr_over(message, sizeof(message));
    const struct net_raw_packet p = {
        .type = types[net_hostile_chance(h, COUNT_OF(types))],
        .silent = net_hostile_chance(h, 8) == 0,
        .payload = {message, net_hostile_chance(h, 4) == 0 ? 8 * net_hostile_chance(h, 17) : 40},
    };

    wr_le32(&w, random_type(h));
    while (wr_le32(&w, random_word(h)), w.err == 0)
        ;
    return net_raw_send(&h->raw, 0, &p);
}

/* In each state of bring-up; each is answered that asks for it. */
bool net_hostile_nvsp(struct net_hostile *h)
{
    bool good = true;

    for (unsigned state = 0; good && state < 3; state++) {
        good = net_raw_open(&h->raw, 0, RING_PAGES, true) &&
               (state == 0 || (state == 1 ? net_raw_agree(&h->raw) : net_raw_start(&h->raw)));
        for (unsigned i = 0; good && i < MESSAGES; i++)
            good = send_any(h);
        good = good && net_raw_await(&h->raw) && net_raw_close(&h->raw);
    }
    return good;
}

/* --- memory that is taken away --- */

static bool send_sections(struct net_hostile *h, unsigned n)
{
    bool good = true;

    for (uint32_t i = 0; good && i < n; i++) {
        const uint8_t payload[40] = {NVSP_RNDIS, [8] = (uint8_t)i, [12] = 200};
        const struct net_raw_packet p = {
            .type = VRING_IN_BAND, .payload = {payload, 40}
        };

        good = net_raw_send(&h->raw, 0, &p);
    }
    return good;
}

/* Revoked, or taken back without a word, while frames in it are on their way and others come. */
bool net_hostile_revokes(struct net_hostile *h)
{
    const uint32_t revoke_send[] = {NVSP_REVOKE_SEND_BUFFER, 0};
    const uint32_t revoke_receive[] = {NVSP_REVOKE_RECEIVE_BUFFER, 0xcafe};
    struct net_raw *n = &h->raw;
    bool good = true;

    for (unsigned i = 0; good && i < ROUNDS; i++) {
        good = net_raw_open(n, 0, RING_PAGES, true) && net_raw_start(n) && send_sections(h, 20);
        if (good && i % 2 == 0)
            (void)net_raw_ask(n, 0, revoke_send, 2);
        if (good && i % 4 < 2)
            (void)net_raw_ask(n, 0, revoke_receive, 2);
        good = good && send_sections(h, 10);
        if (i % 3 == 0) /* closed with all of it on its way */
            good = good && net_raw_close(n);
        else
            good = good && net_raw_take_back(n, &n->receive) && net_raw_take_back(n, &n->send) &&
                   send_sections(h, 10) && net_raw_await(n) && net_raw_close(n);
    }
    return good;
}
