/*
 * tests/unit/net_case.h - a net worker with a NIC, its predecessors' memory, and a guest that sends it what it wants.
 *
 * A test program's own: file-level state. The first pages of the guest's memory are the rings, as of guest_rings.h; from
 * the tenth on it may lend some.
 */
#pragma once

#include <check.h>
#include <stdlib.h>

#include "tests/fakes/guest_rings.h"
#include "workers/journal.h"
#include "workers/net/net.h"

enum {
    CHANNEL = NET_FIRST_DEVICE * VMBUS_SUBCHANNELS, /* index of the first NIC's first */
    GPADL = 77,
    LENT_PAGES = 40,
    ROUNDS = 20,
    FRAME_BYTES = 60,
};

static uint8_t ram[RAM_PAGES * 4096] __attribute__((aligned(4096)));
static uint8_t region[128 * 1024] __attribute__((aligned(4096)));
static uint8_t board[BOARD_BYTES] __attribute__((aligned(4096)));
static uint8_t port[PORT_BYTES] __attribute__((aligned(4096)));
static struct guest_rings guest;
static struct nets_page nets;
static struct vmbus_channels channels;
static struct vmbus_synic synic;
static struct vmbus_acks acks;
static struct frames_page frames;
static struct capture_page capture;
static struct worker worker;
static struct net *net;

static inline void new_worker(uint32_t generation)
{
    static const struct worker_ops ops = {.process = PROCESS_NET,
                                          .schema = NET_SCHEMA,
                                          .schema_min = NET_SCHEMA,
                                          .state_max = NET_STATE_MAX,
                                          .load = net_load,
                                          .save = net_save};
    struct nic *n;

    free(net);
    net = calloc(1, sizeof(*net));
    ck_assert_ptr_nonnull(net);
    worker = (struct worker){.ops = &ops, .self = net, .generation = generation};
    board_attach(&worker.board, (void *)board, generation);
    board_take_rows(&worker.board);
    ck_assert_int_eq(region_attach(&worker.region, (void *)region, sizeof(region)), 0);
    region_begin(&worker.region, generation);
    net->worker = net->bus.worker = &worker;
    net->bus.memory = guest.memory;
    net->bus.bell_fd = net->bus.vmbus_bell_fd = -1;
    for (unsigned i = 0; i < VPS_MAX; i++)
        net->bus.irq_fds[i] = -1;
    net->nets = &nets;
    net->bus.channels = &channels;
    net->bus.synic = &synic;
    net->bus.acks = &acks;
    net->log = &frames;
    net->capture.page = &capture;
    n = &net->nics[0];
    n->present = true;
    n->config = (struct nic_config){.mac = {2}, .mtu = 1500, .channels = 2, .link_up = true};
    n->backend.kind = NET_DISCARD;
    n->counters = &frames.counters[0];
    for (unsigned i = 0; i < VMBUS_SUBCHANNELS; i++) {
        n->lines[i].log = &frames.channels[i];
        n->lines[i].owners = frames.owners[0];
    }
    nvsp_reset(&n->nvsp, &n->config);
    ck_assert_int_eq(journal_load(&worker), 0);
    ck_assert_int_eq(port_server_init(&worker.port, (void *)port, PORT_ASLEEP_EVENTFD), 0);
    (void)net_look(net);
}

static inline void set_up(void)
{
    struct vmbus_channel c = guest_channel(5);

    memset(ram, 0, sizeof(ram));
    memset(region, 0, sizeof(region));
    memset(board, 0, sizeof(board));
    memset(port, 0, sizeof(port));
    port_client_init(&(struct port_client){0}, (void *)port, -1);
    memset(&channels, 0, sizeof(channels));
    memset(&acks, 0, sizeof(acks));
    memset(&frames, 0, sizeof(frames));
    nets.rows[0].link_up = 1;
    nets.rows[0].capture_until_ns = 0;
    memset(&capture, 0, offsetof(struct capture_page, ring));
    guest_rings_init(&guest, ram);
    memcpy(channels.pool, guest.pfns, sizeof(guest.pfns));
    c.target_vp = UINT32_MAX;
    vmbus_channel_write(&channels, CHANNEL, &c);
    new_worker(1);
    ck_assert(net->nics[0].lines[0].open);
}

static inline void tear_down(void)
{
    free(net);
    net = NULL;
}

static inline void run(void)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        (void)net_work(net);
}

static inline void send_words(uint64_t tid, const uint32_t *words, unsigned n)
{
    uint8_t payload[PACKET_BYTES] = {0};

    memcpy(payload, words, n * sizeof(*words));
    ck_assert(guest_send(&guest, VMRING_IN_BAND, tid, NULL, 0, payload, sizeof(payload)));
}

static inline void send_init(uint64_t tid, uint32_t version)
{
    send_words(tid, (const uint32_t[]){NVSP_INIT, version, version}, 3);
}

/* One that carries nothing: it is completed like any other. */
static inline void send_frame(uint64_t tid)
{
    send_words(tid, (const uint32_t[]){NVSP_SEND_RNDIS_PACKET, 0, NVSP_NO_SECTION, 0}, 4);
}

static inline void expect_completion(uint64_t tid, uint32_t nvsp_type)
{
    uint8_t payload[PACKET_BYTES];
    uint32_t got_type;
    uint64_t got;
    uint16_t type;

    ck_assert(guest_receive(&guest, &type, &got, payload));
    ck_assert_uint_eq(type, VMRING_COMPLETION);
    ck_assert_uint_eq(got, tid);
    memcpy(&got_type, payload, sizeof(got_type));
    ck_assert_uint_eq(got_type, nvsp_type);
}

static inline void expect_nothing(void)
{
    uint8_t payload[PACKET_BYTES];
    uint64_t tid;
    uint16_t type;

    ck_assert(!guest_receive(&guest, &type, &tid, payload));
}

/* A list of LENT_PAGES pages, in row 7. */
static inline struct vmbus_memory lend(void)
{
    const struct vmbus_memory m = {.state = VMBUS_MEMORY_LENT,
                                   .epoch = 1,
                                   .id = GPADL,
                                   .relid = vmbus_relid(NET_FIRST_DEVICE, 0),
                                   .bytes = LENT_PAGES * 4096,
                                   .pages = LENT_PAGES,
                                   .pool_at = 100};

    for (uint64_t i = 0; i < LENT_PAGES; i++)
        channels.pool[100 + i] = 10 + i;
    vmbus_memory_write(&channels, 7, &m);
    return m;
}

/* A driver that has lent a receive buffer, and asked for frames. */
static inline void begin_driver(void)
{
    struct nic *n = &net->nics[0];

    (void)lend();
    send_init(1, NVSP_VERSION_6_1);
    run();
    expect_completion(1, NVSP_INIT_COMPLETE);
    send_words(2, (const uint32_t[]){NVSP_SEND_RECEIVE_BUFFER, GPADL, NVSP_RECEIVE_BUFFER}, 3);
    run();
    expect_completion(2, NVSP_SEND_RECEIVE_BUFFER_COMPLETE);
    ck_assert_uint_eq(n->receive.id, GPADL);
    n->nvsp.rndis_initialized = 1;
    n->nvsp.filter = NIC_FILTER_DIRECTED;
    journal_commit(&worker);
}

/* The next message, in one of the sections for answers. */
static inline void expect_message(void *message, uint32_t len)
{
    const struct nvsp_buffer *b = &net->nics[0].nvsp.receive;
    uint8_t payload[PACKET_BYTES];
    uint64_t tid;
    uint16_t type;
    uint32_t section;

    ck_assert(guest_receive(&guest, &type, &tid, payload));
    ck_assert_uint_eq(type, VMRING_TRANSFER_PAGES);
    section = (uint32_t)tid - 1;
    ck_assert_uint_ge(section, b->sections - NVSP_CONTROL_SECTIONS);
    gmem_pages_copy_in(&net->nics[0].receive.pages, section * b->section_bytes, message, len);
}

/* An RNDIS PACKET message on pages of the guest's. */
static inline void send_real_frame(uint64_t tid)
{
    const uint32_t len = 44 + FRAME_BYTES;
    const uint32_t head[11] = {1, len, 36, FRAME_BYTES};
    const uint32_t words[] = {NVSP_SEND_RNDIS_PACKET, 0, NVSP_NO_SECTION, 0};
    uint8_t payload[PACKET_BYTES] = {0};

    memcpy(ram + 55 * 4096, head, sizeof(head));
    memcpy(payload, words, sizeof(words));
    ck_assert(guest_request(&guest, tid, 55, 0, len, payload));
}
