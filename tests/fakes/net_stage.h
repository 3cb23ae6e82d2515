/*
 * tests/fakes/net_stage.h - a net worker's NIC with one open channel, between a guest's rings and a socket.
 *
 * The first pages of the guest's memory are the rings, as of guest_rings.h; a receive buffer takes the last ones, if
 * it is asked for.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fakes/guest_rings.h"
#include "workers/net/net.h"

enum {
    STAGE_BUFFER_PAGES = 40,
    STAGE_BUFFER_PAGE = RAM_PAGES - STAGE_BUFFER_PAGES,
    STAGE_GPADL = 77,
};

struct net_stage {
    uint8_t ram[RAM_PAGES * 4096] __attribute__((aligned(4096)));
    uint8_t board[BOARD_BYTES] __attribute__((aligned(4096)));
    struct guest_rings guest;
    struct vmbus_channel channel;
    struct vmbus_synic synic;
    struct frames_page frames;
    struct worker worker;
    struct net *net;
    struct nic *nic;
    int pair[2]; /* the second one is the NIC's */
};

/* The first one, or a successor. */
static inline void net_stage_worker(struct net_stage *s, bool resume)
{
    struct nic *n;

    free(s->net);
    s->net = calloc(1, sizeof(*s->net));
    ck_assert_ptr_nonnull(s->net);
    s->net->worker = s->net->bus.worker = &s->worker;
    s->net->bus.memory = s->guest.memory;
    s->net->log = &s->frames;
    s->net->bus.synic = &s->synic;
    for (unsigned i = 0; i < VPS_MAX; i++)
        s->net->bus.irq_fds[i] = -1;
    n = s->nic = &s->net->nics[0];
    n->present = n->has_resumed = true;
    n->config = (struct nic_config){
        .mac = {2}, .mtu = 1500, .channels = 1, .link_up = true, .offloads = NIC_OFFLOADS - 1};
    nvsp_reset(&n->nvsp, &n->config);
    n->lines[0].log = &s->frames.channels[0];
    n->lines[0].owners = s->frames.owners[0];
    n->counters = &s->frames.counters[0];
    backend_open(&n->backend, NET_DATAGRAM, s->pair[1], NULL);
    ck_assert_int_eq(line_open(&n->lines[0], &s->guest.memory, &s->channel, s->guest.pfns, resume),
                     0);
}

/* room: bytes of the NIC's socket, 0: as the kernel has it. */
static inline void net_stage_begin(struct net_stage *s, int room)
{
    memset(s, 0, sizeof(*s));
    board_attach(&s->worker.board, (void *)s->board, 1);
    board_take_rows(&s->worker.board);
    guest_rings_init(&s->guest, s->ram);
    s->channel = guest_channel(5);
    s->channel.target_vp = UINT32_MAX;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, s->pair), 0);
    ck_assert(room == 0 || setsockopt(s->pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0);
    net_stage_worker(s, false);
}

/* A receive buffer of sections of that size, and a driver that takes all frames. */
static inline void net_stage_receive(struct net_stage *s, uint32_t section_bytes)
{
    struct nic *n = s->nic;
    uint32_t sections = STAGE_BUFFER_PAGES * 4096u / section_bytes;
    uint64_t pfns[STAGE_BUFFER_PAGES];

    for (unsigned i = 0; i < STAGE_BUFFER_PAGES; i++)
        pfns[i] = STAGE_BUFFER_PAGE + i;
    ck_assert_int_eq(gmem_pages_init(&n->receive.pages, &s->guest.memory, pfns, STAGE_BUFFER_PAGES,
                                     n->receive.hosts),
                     0);
    n->receive.id = STAGE_GPADL;
    n->receive.bytes = STAGE_BUFFER_PAGES * 4096;
    n->nvsp.receive = (struct nvsp_buffer){.gpadl = STAGE_GPADL,
                                           .id = NVSP_RECEIVE_BUFFER,
                                           .section_bytes = section_bytes,
                                           .sections = sections};
    n->nvsp.version = NVSP_VERSION_6_1;
    n->nvsp.filter = NIC_FILTER_PROMISCUOUS;
}

static inline void net_stage_end(struct net_stage *s)
{
    free(s->net);
    s->net = NULL;
    (void)close(s->pair[0]);
    (void)close(s->pair[1]);
}
