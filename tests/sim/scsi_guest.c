#include "tests/sim/scsi_guest.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/rd.h"
#include "base/wr.h"

enum {
    WANTS_COMPLETION = 1,
    VERSION_WIN10 = 0x0602,
    SRB_SUCCESS = 1,
    AUTOSENSE = 0x80,
    SRB_BYTES = 0x34,
    TAG_BITS = 16,
};

/* ba6163d9-04a1-4d29-b605-72e2ffb1dc7f */
static const uint8_t scsi_interface[16] = {0xd9, 0x63, 0x61, 0xba, 0xa1, 0x04, 0x29, 0x4d,
                                           0xb6, 0x05, 0x72, 0xe2, 0xff, 0xb1, 0xdc, 0x7f};
static const uint64_t LOOK_NS = 20 * NS_PER_MS;
static const uint64_t WAIT_NS = 60 * NS_PER_S;

/* --- tags and data --- */

struct scsi_rq *scsi_take(struct scsi_guest *s, unsigned channel, uint32_t offset, uint32_t len)
{
    struct scsi_queue *q = &s->queues[channel];
    uint32_t pages = (offset + len + GUEST_PAGE - 1) / GUEST_PAGE;
    struct scsi_rq *rq = NULL;

    vmbus_lock(s->vmbus, &q->lock);
    for (unsigned i = 0; rq == NULL && i < SCSI_GUEST_TAGS; i++) {
        if (!q->tags[i].taken)
            rq = &q->tags[i];
    }
    if (rq != NULL)
        rq->taken = true;
    vmbus_unlock(s->vmbus, &q->lock);
    if (rq == NULL)
        return NULL;
    rq->tag = (uint16_t)(rq - q->tags);
    rq->channel = (uint8_t)channel;
    rq->done = NULL;
    rq->offset = offset;
    rq->data_len = len;
    while (rq->n_owned < pages && !s->vmbus->failed)
        rq->pfns[rq->n_owned++] = (uint32_t)vmbus_page(s->vmbus);
    return rq;
}

void scsi_put(struct scsi_guest *s, struct scsi_rq *rq)
{
    struct scsi_queue *q = &s->queues[rq->channel];

    vmbus_lock(s->vmbus, &q->lock);
    rq->taken = false;
    vmbus_unlock(s->vmbus, &q->lock);
}

static uint8_t *data_at(const struct scsi_guest *s, const struct scsi_rq *rq, uint32_t at,
                        uint32_t len, uint32_t *ret_n)
{
    uint32_t from = rq->offset + at;
    uint32_t left = GUEST_PAGE - from % GUEST_PAGE;

    *ret_n = len < left ? len : left;
    return vmbus_host(s->vmbus, (uint64_t)rq->pfns[from / GUEST_PAGE] * GUEST_PAGE) +
           from % GUEST_PAGE;
}

void scsi_get_data(const struct scsi_guest *s, const struct scsi_rq *rq, uint32_t at, void *to,
                   uint32_t len)
{
    uint32_t n;

    for (uint32_t i = 0; i < len; i += n) {
        const uint8_t *from = data_at(s, rq, at + i, len - i, &n);

        memcpy((uint8_t *)to + i, from, n);
    }
}

void scsi_set_data(const struct scsi_guest *s, const struct scsi_rq *rq, uint32_t at,
                   const void *from, uint32_t len)
{
    uint32_t n;

    for (uint32_t i = 0; i < len; i += n) {
        uint8_t *to = data_at(s, rq, at + i, len - i, &n);

        memcpy(to, (const uint8_t *)from + i, n);
    }
}

/* --- packets --- */

static void plain_packet(struct scsi_rq *rq, enum scsi_guest_op op, uint16_t number)
{
    struct wr w = wr_over(rq->packet, sizeof(rq->packet));

    memset(rq->packet, 0, sizeof(rq->packet));
    wr_le32(&w, (uint32_t)op);
    wr_le32(&w, WANTS_COMPLETION);
    wr_le32(&w, 0);
    wr_le16(&w, number);
}

void scsi_command(struct scsi_rq *rq, uint8_t lun, const uint8_t *cdb, uint8_t cdb_len,
                  enum scsi_data direction)
{
    static const uint32_t flags[] = {0x80, 0x40, 0};
    struct wr w = wr_over(rq->packet, sizeof(rq->packet));

    memset(rq->packet, 0, sizeof(rq->packet));
    wr_le32(&w, VSTOR_EXECUTE);
    wr_le32(&w, WANTS_COMPLETION);
    wr_le32(&w, 0);
    wr_le16(&w, SRB_BYTES);
    wr_le16(&w, 0); /* status, twice */
    wr_u8(&w, 0);   /* port, path, target */
    wr_u8(&w, 0);
    wr_u8(&w, 0);
    wr_u8(&w, lun);
    wr_u8(&w, cdb_len);
    wr_u8(&w, SCSI_GUEST_SENSE);
    wr_u8(&w, (uint8_t)direction);
    wr_u8(&w, 0);
    wr_le32(&w, rq->data_len);
    wr_bytes(&w, cdb, cdb_len);
    w = wr_over(rq->packet + 12 + 36, 16);
    wr_le16(&w, 0);
    wr_u8(&w, 0);
    wr_u8(&w, 0x20);                           /* simple queue */
    wr_le32(&w, 0x100 | 2 | flags[direction]); /* no queue freeze, queueing */
    wr_le32(&w, 60);
    wr_le32(&w, 0);
}

static uint32_t make_head(const struct scsi_rq *rq, uint8_t *to, size_t room)
{
    struct wr w = wr_over(to, room);
    uint32_t pages = (rq->offset + rq->data_len + GUEST_PAGE - 1) / GUEST_PAGE;
    size_t len = 0;

    if (rq->data_len == 0)
        return 0;
    wr_le32(&w, 0);
    wr_le32(&w, 1);
    wr_le32(&w, rq->data_len);
    wr_le32(&w, rq->offset);
    for (uint32_t i = 0; i < pages; i++)
        wr_le64(&w, rq->pfns[i]);
    return wr_finish(&w, &len) == 0 ? (uint32_t)len : 0;
}

/* On its way before it is in the ring: the answer may come at once. */
static void set_in_flight(struct scsi_queue *q, struct scsi_rq *rq, bool is)
{
    vmbus_lock(q->channel.guest, &q->lock);
    q->in_flight += is ? 1u : -1u;
    rq->transaction = is ? (uint64_t)++rq->uses << TAG_BITS | (rq->tag + 1u) : 0;
    vmbus_unlock(q->channel.guest, &q->lock);
}

int scsi_submit(struct scsi_guest *s, struct scsi_rq *rq)
{
    struct scsi_queue *q = &s->queues[rq->channel];
    uint8_t head[16 + 8 * SCSI_GUEST_PAGES];
    uint32_t head_len = make_head(rq, head, sizeof(head));
    int r;

    rq->completed = false;
    set_in_flight(q, rq, true);
    r = vmbus_send(&q->channel, head_len > 0 ? VRING_GPA_DIRECT : VRING_IN_BAND, rq->transaction,
                   head, head_len, rq->packet, sizeof(rq->packet));
    if (r < 0)
        set_in_flight(q, rq, false);
    return r;
}

/* --- answers --- */

static void parse_answer(struct scsi_rq *rq)
{
    struct rd r = rd_over(rq->answer, sizeof(rq->answer));

    (void)rd_span(&r, 8);
    rq->status = rd_le32(&r);
    (void)rd_le16(&r);
    rq->srb_status = rd_u8(&r);
    rq->scsi_status = rd_u8(&r);
    (void)rd_span(&r, 5);
    rq->sense_len = rd_u8(&r);
    (void)rd_le16(&r);
    rq->moved = rd_le32(&r);
    rd_copy(&r, rq->sense, sizeof(rq->sense));
}

/* The request that the answer is of, taken out of those on their way; NULL, and the run has failed. */
static struct scsi_rq *match(struct scsi_queue *q, const struct vring_packet *p)
{
    unsigned tag = (unsigned)(p->transaction & 0xffff) - 1;
    struct scsi_rq *rq = tag < SCSI_GUEST_TAGS ? &q->tags[tag] : NULL;
    bool known;

    vmbus_lock(q->channel.guest, &q->lock);
    known = rq != NULL && rq->transaction != 0 && rq->transaction == p->transaction;
    if (known) {
        rq->transaction = 0;
        q->in_flight--;
    }
    vmbus_unlock(q->channel.guest, &q->lock);
    if (!known)
        vmbus_fail(q->channel.guest, "channel %u: an answer to %#llx, which is not on its way",
                   q->channel.relid, (unsigned long long)p->transaction);
    return known ? rq : NULL;
}

static void on_packet(struct guest_channel *c, const struct vring_packet *p)
{
    struct scsi_guest *s = c->self;
    struct scsi_queue *q = (struct scsi_queue *)(void *)c; /* its first field */
    struct scsi_rq *rq;

    if (p->type == VRING_IN_BAND && p->transaction == 0 && p->len >= 12 &&
        p->payload[0] == VSTOR_ENUMERATE) {
        s->enumerates++;
        return;
    }
    if (p->type != VRING_COMPLETION || p->len != SCSI_GUEST_PACKET ||
        p->payload[0] != VSTOR_COMPLETE) {
        vmbus_fail(c->guest, "channel %u: a packet of type %u, %u bytes, op %u", c->relid, p->type,
                   p->len, p->payload[0]);
        return;
    }
    rq = match(q, p);
    if (rq == NULL)
        return;
    s->completions++;
    memcpy(rq->answer, p->payload, sizeof(rq->answer));
    parse_answer(rq);
    if (rq->moved > rq->data_len && rq->packet[0] == VSTOR_EXECUTE)
        vmbus_fail(c->guest, "channel %u: %u bytes moved of %u", c->relid, rq->moved, rq->data_len);
    if (rq->done != NULL)
        rq->done(s, rq);
    else
        rq->completed = true;
}

bool scsi_run(struct scsi_guest *s, struct scsi_rq *rq, unsigned vp)
{
    uint64_t end = clock_now_ns() + WAIT_NS;
    int r;

    do {
        r = scsi_submit(s, rq);
        if (r == -EAGAIN)
            (void)vmbus_halt(s->vmbus, vp, LOOK_NS);
    } while (r == -EAGAIN && !s->vmbus->failed);
    while (r == 0 && !rq->completed && !s->vmbus->failed) {
        if (clock_now_ns() > end)
            vmbus_fail(s->vmbus, "channel %u: no answer", rq->channel);
        (void)vmbus_halt(s->vmbus, vp, LOOK_NS);
    }
    return r == 0 && !s->vmbus->failed;
}

bool scsi_is_good(const struct scsi_rq *rq)
{
    return rq->status == 0 && rq->srb_status == SRB_SUCCESS && rq->scsi_status == 0;
}

uint32_t scsi_sense_of(const struct scsi_rq *rq)
{
    if ((rq->srb_status & AUTOSENSE) == 0 || rq->sense_len < 14)
        return 0;
    return (rq->sense[2] & 15u) << 16 | (uint32_t)rq->sense[12] << 8 | rq->sense[13];
}

/* --- a controller --- */

static bool plain(struct scsi_guest *s, enum scsi_guest_op op, uint16_t number, uint8_t *answer)
{
    struct scsi_rq *rq = scsi_take(s, 0, 0, 0);
    bool good;

    plain_packet(rq, op, number);
    good = scsi_run(s, rq, 0);
    if (good && rq->status != 0)
        vmbus_fail(s->vmbus, "operation %u: status %#x", (unsigned)op, rq->status);
    good = good && rq->status == 0;
    if (answer != NULL)
        memcpy(answer, rq->answer, sizeof(rq->answer));
    scsi_put(s, rq);
    return good;
}

static bool initialise(struct scsi_guest *s, unsigned subchannels)
{
    uint8_t properties[SCSI_GUEST_PACKET] = {0};
    struct rd r = rd_over(properties, sizeof(properties));
    uint16_t most;

    if (!plain(s, VSTOR_BEGIN_INIT, 0, NULL) || !plain(s, VSTOR_VERSION, VERSION_WIN10, NULL) ||
        !plain(s, VSTOR_PROPERTIES, 0, properties) || !plain(s, VSTOR_END_INIT, 0, NULL))
        return false;
    (void)rd_span(&r, 16);
    most = rd_le16(&r);
    (void)rd_span(&r, 6);
    s->max_bytes = rd_le32(&r);
    if (subchannels > most) {
        vmbus_fail(s->vmbus, "%u subchannels, there are %u", subchannels, most);
        return false;
    }
    return subchannels == 0 || plain(s, VSTOR_SUBCHANNELS, (uint16_t)subchannels, NULL);
}

static bool open_queue(struct scsi_guest *s, unsigned i)
{
    struct scsi_queue *q = &s->queues[i];
    uint32_t relid = vmbus_await_offer(s->vmbus, scsi_interface, s->device, i);

    if (relid == 0)
        return false;
    q->channel.packet = on_packet;
    q->channel.self = s;
    q->in_flight = 0;
    (void)pthread_mutex_init(&q->lock, NULL);
    return vmbus_open(s->vmbus, &q->channel, relid, s->ring_pages, i % s->vmbus->n_vps);
}

bool scsi_connect(struct scsi_guest *s, struct vmbus_guest *g, unsigned device, unsigned channels,
                  unsigned ring_pages)
{
    s->vmbus = g;
    s->device = device;
    s->ring_pages = ring_pages;
    s->n_queues = 1;
    if (!open_queue(s, 0) || !initialise(s, channels - 1))
        return false;
    for (unsigned i = 1; i < channels; i++) {
        if (!open_queue(s, i))
            return false;
        s->n_queues = i + 1;
    }
    return true;
}

/* Subchannels first, as Linux does. */
bool scsi_disconnect(struct scsi_guest *s)
{
    unsigned n = s->n_queues;

    s->n_queues = 0;
    for (unsigned i = n; i-- > 0;) {
        if (!vmbus_close(s->vmbus, &s->queues[i].channel))
            return false;
    }
    return true;
}

/* --- commands --- */

void scsi_cdb16(uint8_t cdb[16], uint8_t opcode, uint64_t lba, uint32_t blocks)
{
    struct wr w = wr_over(cdb, 16);

    memset(cdb, 0, 16);
    wr_u8(&w, opcode);
    wr_u8(&w, 0);
    wr_be32(&w, (uint32_t)(lba >> 32));
    wr_be32(&w, (uint32_t)lba);
    wr_be32(&w, blocks);
}

bool scsi_ask(struct scsi_guest *s, unsigned vp, uint8_t lun, const uint8_t *cdb, uint8_t cdb_len,
              void *out, uint32_t len, struct scsi_rq *ret)
{
    struct scsi_rq *rq = scsi_take(s, 0, 0, len);
    bool ran;

    if (rq == NULL)
        return false;
    scsi_command(rq, lun, cdb, cdb_len, len > 0 ? SCSI_FROM_DEVICE : SCSI_NO_TRANSFER);
    ran = scsi_run(s, rq, vp);
    if (out != NULL)
        scsi_get_data(s, rq, 0, out, len);
    *ret = *rq;
    scsi_put(s, rq);
    return ran;
}

uint64_t scsi_capacity(struct scsi_guest *s, unsigned vp, uint8_t lun)
{
    static const uint8_t cdb[16] = {0x9e, 0x10, [13] = 32};
    uint8_t data[32] = {0};
    struct rd r = rd_over(data, sizeof(data));
    struct scsi_rq rq;
    uint64_t last;

    if (!scsi_ask(s, vp, lun, cdb, sizeof(cdb), data, sizeof(data), &rq) || !scsi_is_good(&rq))
        return 0;
    last = (uint64_t)rd_be32(&r) << 32;
    last |= rd_be32(&r);
    return (last + 1) * rd_be32(&r);
}
