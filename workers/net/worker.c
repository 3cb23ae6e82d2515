#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "workers/net/net.h"

static int map(struct net *s, enum object_kind kind, unsigned index, void **ret)
{
    return worker_map(s->worker, kind, index, ret);
}

static int map_pages(struct net *s)
{
    void *nets, *log, *capture;
    int r = map(s, OBJECT_NETS, 0, &nets);

    if (r == 0)
        r = map(s, OBJECT_FRAMES, 0, &log);
    if (r == 0)
        r = map(s, OBJECT_CAPTURE, 0, &capture);
    if (r < 0)
        return r;
    s->nets = nets;
    s->log = log;
    s->capture.page = capture;
    return 0;
}

/* init has checked the row; who wrote it is trusted, so a wrong one is no NIC. */
static bool is_row(const struct net_row *row)
{
    return row->kind > NET_NONE && row->kind <= NET_DATAGRAM && row->mtu >= NIC_MTU_MIN &&
           row->mtu <= NIC_MTU_MAX && row->channels >= 1 && row->channels <= VMBUS_SUBCHANNELS &&
           (row->mac[0] & 1) == 0;
}

static int take_nic(struct net *s, unsigned i)
{
    const struct net_row *row = &s->nets->rows[i];
    struct nic *n = &s->nics[i];
    uint8_t *stream = NULL;

    n->index = i;
    n->present = is_row(row);
    n->counters = &s->log->counters[i];
    for (unsigned j = 0; j < VMBUS_SUBCHANNELS; j++) {
        n->lines[j].log = &s->log->channels[i * VMBUS_SUBCHANNELS + j];
        n->lines[j].owners = s->log->owners[i];
    }
    if (!n->present)
        return 0;
    if (row->kind == NET_STREAM)
        stream = malloc(NET_STREAM_BYTES);
    if (row->kind == NET_STREAM && stream == NULL)
        return -ENOMEM;
    memcpy(n->config.mac, row->mac, sizeof(n->config.mac));
    n->config.mtu = row->mtu;
    n->config.channels = row->channels;
    n->config.offloads = backend_offloads((enum net_kind)row->kind);
    backend_open(&n->backend, (enum net_kind)row->kind, worker_fd(s->worker, OBJECT_NET, i),
                 stream);
    return n->backend.fd < 0 ? -ENOENT : 0;
}

int net_setup(void *self, struct worker *w)
{
    struct net *s = self;
    int r;

    s->worker = w;
    (void)signal(SIGPIPE, SIG_IGN); /* a back end that hangs up is no reason to die */
    r = bus_setup(&s->bus, w, PROCESS_NET);
    if (r == 0)
        r = map_pages(s);
    for (unsigned i = 0; r == 0 && i < NETS_MAX; i++)
        r = take_nic(s, i);
    return r;
}

static struct board_row *add_row(struct net *s, const struct nic *n, enum board_kind kind,
                                 const char *name)
{
    return board_addf(&s->worker->board, kind, "nic%u/%s", n->index, name);
}

static void add_nic_rows(struct net *s, struct nic *n)
{
    static const char *const drops[DROPS] = {
        [DROP_MALFORMED] = "malformed", [DROP_OFFLOAD] = "offload",
        [DROP_BACKEND] = "back_end",    [DROP_NO_BUFFER] = "no_buffer",
        [DROP_TOO_LONG] = "too_long",   [DROP_BAD_FRAME] = "bad_frame",
        [DROP_LINK] = "link",
    };

    n->rows.link = add_row(s, n, BOARD_TEXT, "link");
    n->rows.version = add_row(s, n, BOARD_GAUGE, "nvsp");
    n->rows.mtu = add_row(s, n, BOARD_GAUGE, "mtu");
    n->rows.tx_frames = add_row(s, n, BOARD_COUNTER, "tx/frames");
    n->rows.tx_held = add_row(s, n, BOARD_COUNTER, "tx/held");
    n->rows.tx_bytes = add_row(s, n, BOARD_COUNTER, "tx/bytes");
    n->rows.latency = add_row(s, n, BOARD_HISTOGRAM, "tx");
    n->rows.rx_frames = add_row(s, n, BOARD_COUNTER, "rx/frames");
    n->rows.rx_bytes = add_row(s, n, BOARD_COUNTER, "rx/bytes");
    for (unsigned i = 0; i < DROPS; i++)
        n->rows.drops[i] =
            board_addf(&s->worker->board, BOARD_COUNTER, "nic%u/drops/%s", n->index, drops[i]);
}

static void add_rows(struct net *s)
{
    struct board *b = &s->worker->board;

    bus_add_rows(&s->bus);
    s->rows.rings = board_add(b, BOARD_COUNTER, "rings");
    s->rows.stopped = board_add(b, BOARD_COUNTER, "channels/stopped");
    for (unsigned i = 0; i < NETS_MAX; i++) {
        if (!s->nics[i].present)
            continue;
        add_nic_rows(s, &s->nics[i]);
        shown_link(&s->nics[i]);
    }
}

/* As they are before a guest uses them. A spare was set up long ago: operators may have changed links since. */
static void reset_nics(struct net *s)
{
    for (unsigned i = 0; i < NETS_MAX; i++) {
        struct nic *n = &s->nics[i];

        n->config.link_up = atomic_load(&s->nets->rows[i].link_up) != 0;
        if (n->present)
            nvsp_reset(&n->nvsp, &n->config);
    }
}

int net_load(void *self, struct rd *state, uint32_t schema)
{
    struct net *s = self;
    uint32_t present = 0;
    int r = 0;

    (void)schema;
    reset_nics(s);
    if (state != NULL && !s->worker->parked)
        r = state_load(s, state);
    if (r < 0)
        return r;
    add_rows(s);
    for (unsigned i = 0; i < NETS_MAX; i++) {
        if (s->nics[i].present) {
            present |= 1u << (NET_FIRST_DEVICE + i);
            s->nics[i].before = *s->nics[i].counters;
        }
        atomic_store(&s->bus.acks->subchannels[NET_FIRST_DEVICE + i],
                     s->nics[i].present ? s->nics[i].nvsp.channels - 1 : 0);
    }
    atomic_store(&s->bus.acks->present, present);
    bus_ring_vmbus(&s->bus);
    return 0;
}

void net_save(void *self, struct wr *w)
{
    state_save(self, w);
}

void net_loop(void *self, struct worker *w)
{
    (void)w;
    net_serve(self);
}
