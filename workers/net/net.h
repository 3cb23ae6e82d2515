/*
 * workers/net/net.h - the net worker: its NICs, their channels, and what their frames come from and go to.
 *
 *   serve.c     the loop: rings, back ends, bell, sleep
 *   nic.c       a NIC's channels and the memory it borrows
 *   control.c   what its driver asks for (nvsp.h, rndis.h), each thing once, also across a death
 *   tx.c        frames from the guest's rings to the back end
 *   rx.c        frames from the back end into the guest's receive buffer
 *   backend.c   the kinds of back end
 *   capture.c   frames for operators who watch
 *   state.c     what survives besides the log
 *   shown.c     what operators see of all that
 *   line.c      a channel's rings and log
 *   nvsp.c rndis.c oid.c frame.c segments.c    the protocol, without I/O
 *
 * One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/board.h"
#include "base/rd.h"
#include "base/wr.h"
#include "ipc/capture.h"
#include "ipc/frames.h"
#include "ipc/nets.h"
#include "workers/bus.h"
#include "workers/net/frame.h"
#include "workers/net/line.h"
#include "workers/net/nvsp.h"
#include "workers/net/rndis.h"
#include "workers/net/segments.h"
#include "workers/net/shown.h"

enum {
    NET_SCHEMA = 2,
    NET_STATE_MAX = 8 * 1024,
    NET_BUFFER_PAGES = 8192, /* of a receive or send buffer */
    NET_PIECES = 64,         /* parts of a frame in the guest's memory */
    NET_BATCH =
        64, /* packets of a channel, or frames of a back end, before others have their turn */
    NET_STREAM_BYTES = 256 * 1024,
};

_Static_assert((int)NVSP_RECEIVE_SECTIONS_MAX == (int)FRAMES_SECTIONS, "an owner for each section");

/* Memory that the guest has lent for a buffer, resolved. */
struct lent {
    uint32_t row; /* in struct vmbus_channels */
    uint32_t id;  /* 0: none */
    uint32_t bytes, offset;
    struct gmem_pages pages;
    uint8_t *hosts[NET_BUFFER_PAGES];
};

/* The control packet that was executed last: its answers are told until they are shown. */
struct control {
    uint32_t opening, number; /* of the primary channel; 0, 0: none */
    uint32_t answer_len, reply_len;
    uint8_t answer[NVSP_MESSAGE_MAX];
    uint8_t reply[RNDIS_ANSWER_MAX];
};

enum nic_drop {
    DROP_MALFORMED, /* from the guest: no RNDIS message, or one that is wrong */
    DROP_OFFLOAD,   /* it asks for what the back end cannot do */
    DROP_BACKEND,   /* it does not take it */
    DROP_NO_BUFFER, /* for the guest: it has all sections, or its ring is full */
    DROP_TOO_LONG,
    DROP_BAD_FRAME, /* from the back end: no frame, or its header is wrong */
    DROP_LINK,      /* either way: it is down */
    DROPS,
};

struct backend {
    enum net_kind kind;
    int fd;
    bool is_gone;     /* the other end hung up */
    uint64_t full_ns; /* since when it has no room for frames; 0: it has */
    /* A stream's bytes that are looked at and not consumed. */
    uint8_t *stream;
    uint32_t stream_len, stream_at;
};

/*
 * A frame on its way out. Its first bytes, or all of it, are a private copy; the others are where the guest has them.
 * Before the copy is room for what a back end wants before a frame.
 */
enum {
    OUTGOING_ROOM = 16,
    OUTGOING_COPIED = 2048,
};
struct outgoing {
    uint32_t len, copied;
    unsigned n;
    struct iovec pieces[1 + NET_PIECES]; /* the first one is the copy: backend.c's */
    uint8_t bytes[OUTGOING_ROOM + OUTGOING_COPIED + NIC_VLAN_BYTES];
};

static inline uint8_t *outgoing_frame(struct outgoing *o)
{
    return o->bytes + OUTGOING_ROOM;
}

/* A frame of several segments that is taken and not given: it may have to wait for sections. */
struct large {
    uint32_t len;  /* 0: there is none */
    bool is_whole; /* to be given in parts, that the guest's driver joins; else cut */
    unsigned done; /* segments that are given */
    struct segments segments;
    uint8_t bytes[NET_FRAME_MAX];
};

struct nic {
    bool present;
    /* All its channels were looked at: no section is in the log of one that is not open yet, no flow's frames either. */
    bool has_resumed;
    unsigned index;
    struct nic_config config;
    struct nvsp nvsp;
    struct control control;
    struct backend backend;
    struct line lines[VMBUS_SUBCHANNELS];
    struct vmbus_channel opened[VMBUS_SUBCHANNELS]; /* as acknowledged */
    struct queue_shown queues[VMBUS_SUBCHANNELS];
    struct lent receive, send;
    bool gone_is_logged;
    struct large large;
    uint32_t section_at;           /* where to look for free sections */
    bool rx_is_full;               /* there were none */
    uint32_t capture_bytes;        /* of each frame of this batch, at most; 0: none is captured */
    struct nic_counters *counters; /* borrowed mapping: for its driver they go on after a death */
    struct nic_counters before;    /* as this generation found them: operators are shown its own */
    uint64_t drops[DROPS];
    uint64_t held; /* how often the back end had no room, and frames stayed in their ring */
    struct {
        struct board_row *link, *tx_frames, *tx_bytes, *tx_held, *rx_frames, *rx_bytes,
            *drops[DROPS], *mtu, *version, *latency;
    } rows;
};

/* What a packet of the guest carries: parts of its memory. */
struct carried {
    struct line_mark packet;
    uint32_t len;
    unsigned n;
    struct {
        uint64_t at; /* guest physical, or in the send buffer */
        uint32_t len;
        bool is_section;
    } parts[NET_PIECES];
};

struct net {
    struct worker *worker;
    struct bus bus;
    const struct nets_page *nets;
    uint32_t seen_memories[VMBUS_MEMORIES]; /* as of vmbus_memory_seq() */
    struct frames_page *log;
    struct capture_writer capture;
    uint64_t capture_ns; /* CLOCK_REALTIME of the batch; 0: not looked at yet */
    struct nic nics[NETS_MAX];
    struct carried carried[NET_BATCH]; /* of the packets that are being looked at */
    struct outgoing outgoing;
    struct line_group groups[VMBUS_SUBCHANNELS][NET_BATCH];
    uint8_t
        frame[NIC_MTU_MAX + 512]; /* whose checksum is completed, or that is cut out of another */
    uint64_t shown_ns;
    uint64_t seen_ns; /* when it was about to look at the rings; 0: not known */
    uint64_t rings;   /* of the bell: guests' signals, completions of others */
    struct {
        struct board_row *stopped, *rings;
    } rows;
};

/* --- nic.c --- */

/* Take note of what vmbus has changed: a NIC's channels; lists of memory. False: look again, though nobody rings. */
bool nic_look(struct net *s, struct nic *n);
bool nic_look_at_memory(struct net *s);

/* bus_interrupt() for a channel. */
void nic_interrupt(struct net *s, const struct nic *n, unsigned channel, bool anyway);

static inline struct line *nic_primary(struct nic *n)
{
    return &n->lines[0];
}

/* Bytes of the lent list of that number, for nvsp_message(); self is a struct nic_lookup. */
struct nic_lookup {
    const struct net *net;
    const struct nic *nic;
};
uint64_t nic_lent_bytes(void *self, uint32_t gpadl);

/* Resolve the buffers that n->nvsp names, let go of those that it does not. */
void nic_take_buffers(struct net *s, struct nic *n);

/* --- control.c --- */

/* Execute the control packet of the primary channel that p describes, and keep its answers: see struct control. */
void control_execute(struct net *s, struct nic *n, const struct vmring_packet *p);

/* Tell what is due. False: there is no room now. */
bool control_tell(struct net *s, struct nic *n);

/* Tell the guest of the link, if it believes otherwise. */
void control_tell_link(struct net *s, struct nic *n);

/* False: both its answers were told, or it had none; another control packet may be taken. */
bool control_is_due(const struct nic *n);

/* --- carried.c --- */

/*
 * What the packet carries that line_next() found. -EBADMSG: its ranges make no sense, or its section is none; too many
 * parts are one of those.
 */
int MUST_USE carried_by(const struct nic *n, const struct line *l, const struct vmring_packet *p,
                        const struct nvsp_rndis_packet *rndis, struct carried *ret);
/* Copy len bytes from at on, inside of it. -EFAULT: not the guest's memory. */
int MUST_USE carried_copy(const struct net *s, const struct nic *n, const struct carried *c,
                          uint32_t at, void *out, uint32_t len);
/* Describe [at, at + len) for the kernel in at most max parts; how many, or -EFAULT. */
int MUST_USE carried_iovecs(const struct net *s, const struct nic *n, const struct carried *c,
                            uint32_t at, uint32_t len, struct iovec *iov, unsigned max);

/* --- tx.c --- */

/* Packets of a channel: frames are sent, answers are due. True when there were any. */
bool tx_work(struct net *s, struct nic *n, unsigned channel);

/*
 * Frames stay in the guest's rings until the back end has room for them, but not when it makes none for long: control
 * packets are behind them.
 */
bool tx_is_held(const struct nic *n);

/* --- rx.c --- */

/* Frames that the back end has, as far as there is room. True when there were any. */
bool rx_work(struct net *s, struct nic *n);

/* Is there a frame that can be taken? And: is there one as soon as the descriptor of the back end is readable? */
bool rx_is_ready(const struct nic *n);
bool rx_can_wait(const struct nic *n);

/* Sections that follow one another and that we have: the first, or -ENOBUFS. control: from those kept for answers. */
int MUST_USE rx_sections(struct nic *n, unsigned wanted, bool control);

/* --- backend.c --- */

void backend_open(struct backend *b, enum net_kind kind, int fd, uint8_t *stream);

/*
 * Send a frame, header before it where the kind has one. 0, or negative errno: it
 * was not taken, in whole; -EAGAIN: there is no room for it now.
 */
int MUST_USE backend_send(struct backend *b, const uint8_t header[VNET_HEADER_BYTES],
                          struct outgoing *o);

/* It had no room: does it have some now? */
bool backend_has_room(struct backend *b);

/*
 * Receive a frame: room bytes into the guest's pages, the others, where rest is there, up to NET_FRAME_MAX in all, into
 * rest. Its length; -EAGAIN: there is none now; -EMSGSIZE, -EBADMSG: it was longer, or none, and is gone; other negative
 * errno: nothing comes of it.
 */
int MUST_USE backend_receive(struct backend *b, uint8_t header[VNET_HEADER_BYTES],
                             const struct gmem_pages *pages, uint32_t offset, uint32_t room,
                             uint8_t *rest);

/* Take a frame, and forget it. False: there is none now. */
bool backend_discard(struct backend *b);

/* Is a frame there that needs no system call? */
bool backend_has_more(const struct backend *b);

/* What of the guest's offloads such a back end can take: mask of enum nic_offload. */
uint32_t backend_offloads(enum net_kind kind);

/* --- capture.c --- */

void capture_look_at(struct net *s, struct nic *n, uint64_t until_ns);

/* Before a batch: is the NIC captured? */
static inline void capture_look(struct net *s, struct nic *n)
{
    uint64_t until_ns =
        atomic_load_explicit(&s->nets->rows[n->index].capture_until_ns, memory_order_relaxed);

    n->capture_bytes = 0;
    if (until_ns != 0)
        capture_look_at(s, n, until_ns);
}

/* A frame was sent, len bytes: a head of ours, and what is carried at and after at. */
void capture_sent(struct net *s, const struct nic *n, const void *head, uint32_t head_len,
                  const struct carried *c, uint32_t at, uint32_t len);

/* One was received, and is at that place of the receive buffer. */
void capture_received(struct net *s, const struct nic *n, uint32_t at, uint32_t len);

/* The same, of one that was put together here. */
void capture_made(struct net *s, const struct nic *n, const uint8_t *bytes, uint32_t len);

/* --- state.c --- */

void state_save(const struct net *s, struct wr *w);
int MUST_USE state_load(struct net *s, struct rd *r);

/* --- serve.c --- */

void net_serve(struct net *s);
bool net_work(struct net *s);
bool net_look(struct net *s);

/* --- worker.c: struct worker_ops, self is a struct net --- */

int MUST_USE net_setup(void *self, struct worker *w);
int MUST_USE net_load(void *self, struct rd *state, uint32_t schema);
void net_save(void *self, struct wr *w);
void net_loop(void *self, struct worker *w);
