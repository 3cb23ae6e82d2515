/*
 * tests/fuzz/fuzz_port.c - both ends of a port while somebody writes what he likes into its memory.
 *
 * A list of steps: u8 what, u8 slot, and for writes into the page u16 offset / 8, u64 value.
 * Promises checked: an answer is seen only under the number that was asked for; numbers given out
 * never go back; a server takes each slot at most once per request; all of it ends, nobody waits.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "ipc/port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct both {
    struct port_page page;
    struct port_client client;
    struct port_server server;
    uint64_t posted[PORT_SLOTS]; /* how many */
};

static void post(struct both *b, unsigned slot, uint8_t size)
{
    const struct port_request rq = {.addr = slot, .data = 7, .op = PORT_READ, .size = size};

    port_post(&b->client, slot, &rq);
    b->posted[slot]++;
    if (b->client.seq[slot] != b->posted[slot])
        abort();
}

static void wait_for(struct both *b, unsigned slot)
{
    struct port_response rs = {.seq = 77};
    int r;

    b->page.server_cpu = UINT32_MAX - 1; /* "elsewhere": else it yields, which is slow */
    if (b->page.slots[slot].rsp_seq != b->posted[slot])
        return; /* it would spin until the deadline */
    r = port_wait(&b->client, slot, 0, &rs);
    if (r != 0 || rs.seq != b->posted[slot])
        abort();
}

static void take(struct both *b, bool answer)
{
    uint64_t seen = 0;
    struct port_request rq;
    unsigned slot;

    for (unsigned n = 0; port_take(&b->server, &slot, &rq); n++) {
        if (n > 2 * PORT_SLOTS || slot >= PORT_SLOTS)
            abort();
        if (answer && (seen >> slot & 1) != 0)
            abort(); /* taken again though it was answered */
        seen |= UINT64_C(1) << slot;
        if (answer)
            port_answer(&b->server, slot, &(struct port_response){.seq = rq.seq, .data = rq.addr});
    }
}

static void scribble(struct both *b, struct rd *r)
{
    size_t at = (size_t)rd_le16(r) * 8 % sizeof(b->page);
    uint64_t value = rd_le64(r);

    memcpy((uint8_t *)&b->page + at, &value, sizeof(value));
}

static void heartbeat(struct both *b)
{
    port_ping(&b->client);
    port_pong(&b->server);
    if (!port_ponged(&b->client))
        abort();
}

static void succeed(struct both *b)
{
    struct port_server next;
    int r = port_server_init(&next, &b->page, PORT_ASLEEP_EVENTFD);

    if ((r == 0) != (b->page.magic == PORT_MAGIC))
        abort();
    if (r == 0)
        b->server = next;
}

static void sleep_once(struct both *b)
{
    if (port_sleep_begin(&b->server))
        port_sleep_end(&b->server);
    if (b->page.sleep != PORT_AWAKE)
        abort();
}

static void step(struct both *b, struct rd *r)
{
    uint8_t what = rd_u8(r);
    unsigned slot = rd_u8(r) % PORT_SLOTS;

    switch (what % 8) {
    case 0:
        post(b, slot, what);
        break;
    case 1:
        wait_for(b, slot);
        break;
    case 2:
        take(b, true);
        break;
    case 3:
        take(b, false);
        break;
    case 4:
        scribble(b, r);
        break;
    case 5:
        heartbeat(b);
        break;
    case 6:
        succeed(b);
        break;
    default:
        sleep_once(b);
        (void)port_waiting_since(&b->client, slot);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct both *b = calloc(1, sizeof(*b));
    struct rd r = rd_over(data, size);

    if (b == NULL)
        abort();
    port_client_init(&b->client, &b->page, -1);
    if (port_server_init(&b->server, &b->page, PORT_ASLEEP_EVENTFD) < 0)
        abort();
    while (r.left > 0 && rd_ok(&r))
        step(b, &r);
    free(b);
    return 0;
}
