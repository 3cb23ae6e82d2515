#include <errno.h>
#include <string.h>

#include "ipc/records.h"
#include "workers/journal.h"
#include "workers/storage/storage.h"

enum {
    ID_CHANNEL_SHIFT = 56,
};

/* The same for a successor that tries it again: which packet of which opening it was. */
static uint64_t id_of(const struct storage *s, const struct request *q)
{
    const struct flow *f = &s->flows[q->channel];

    return (uint64_t)(q->channel + 1) << ID_CHANNEL_SHIFT |
           (uint64_t)(f->log->opening & 0xffffff) << 32 | request_slot(s, q)->seq;
}

/* Which it is, and of what kind. */
static void set_executing(struct storage *s, const struct request *q)
{
    region_set_doing(&s->worker->region, q->doing, q->doing_code);
    region_set_executing(&s->worker->region, id_of(s, q));
}

static void set_doing(struct storage *s, struct request *q, const struct storvsp_packet *p)
{
    bool scsi = p->op == STORVSP_EXECUTE_SRB;

    q->doing = scsi ? DOING_SCSI : DOING_STORVSP;
    q->doing_code = scsi ? p->cdb[0] : p->op;
    region_set_doing(&s->worker->region, q->doing, q->doing_code);
}

static bool is_plain_write(uint8_t opcode)
{
    static const uint8_t opcodes[] = {0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e};

    return memchr(opcodes, opcode, sizeof(opcodes)) != NULL;
}

/* Parameters of a command are copied; data of the medium is not. */
static int make_command(struct storage *s, const struct request *q, const struct storvsp_packet *p,
                        struct scsi_command *ret)
{
    static const enum scsi_direction directions[] = {SCSI_DATA_OUT, SCSI_DATA_IN, SCSI_NO_DATA};
    const struct inflight_slot *slot = request_slot(s, q);

    *ret = (struct scsi_command){.cdb_len = p->cdb_len,
                                 .direction = directions[p->data_in],
                                 .data_len =
                                     p->data_len < slot->data_len ? p->data_len : slot->data_len,
                                 .out = s->out,
                                 .initiator = 1};
    memcpy(ret->cdb, p->cdb, sizeof(ret->cdb));
    if (ret->direction != SCSI_DATA_OUT || is_plain_write(p->cdb[0]))
        return 0;
    ret->out_len = ret->data_len < SCSI_OUT_MAX ? ret->data_len : SCSI_OUT_MAX;
    return data_copy_in(s, slot, 0, s->out, ret->out_len);
}

static void to_nobody(struct storage *s, struct request *q, const struct scsi_command *c)
{
    static const struct storvsp_result nobody = {.status = STORVSP_NO_SUCH_LUN,
                                                 .srb_status = SRB_INVALID_LUN};

    if (scsi_absent(c, &s->answer))
        answer_scsi(s, q);
    else
        answer_result(s, q, &nobody);
}

static void to_unit(struct storage *s, struct request *q, const struct scsi_command *c)
{
    s->io.kind = SCSI_IO_NONE;
    if (id_of(s, q) == s->worker->poison)
        scsi_poisoned(&s->answer);
    else if (s->worker->parked)
        scsi_parked(&q->unit->lun, c, &s->answer);
    else
        scsi_execute(&q->unit->lun, c, &s->io, &s->answer);
    if (s->io.kind == SCSI_IO_NONE) {
        answer_scsi(s, q);
        return;
    }
    if (s->answer.changed) /* it may be done again: it changes the same to the same */
        journal_commit(s->worker);
    io_begin(s, q, &s->io);
}

/* A dead generation's I/O failed. That is told, whatever has become of the unit since. */
static void tell_error(struct storage *s, struct request *q)
{
    const struct inflight_slot *slot = request_slot(s, q);
    struct storvsp_result result;

    scsi_io_error((enum scsi_io_kind)(slot->flags >> INFLIGHT_KIND_SHIFT), -slot->error,
                  &s->answer);
    result = answer_of(&s->answer, 0);
    answer_result(s, q, &result);
}

static void execute_srb(struct storage *s, struct request *q, const struct storvsp_packet *p)
{
    unsigned controller = q->channel / VMBUS_SUBCHANNELS;
    struct scsi_command c UNINITIALIZED;

    if (request_slot(s, q)->error != 0) {
        tell_error(s, q);
        return;
    }
    if (s->controllers[controller].phase != CONTROLLER_READY) {
        answer_wrong(s, q, STORVSP_INVALID_DEVICE_STATE);
        return;
    }
    if ((request_slot(s, q)->flags & INFLIGHT_BAD_DATA) != 0 || make_command(s, q, p, &c) < 0) {
        answer_bad(s, q);
        return;
    }
    if ((request_slot(s, q)->flags & INFLIGHT_DISK_GONE) == 0)
        q->unit = unit_find(s, controller, p);
    if (scsi_is_report_luns(&c)) {
        /* Never "no such unit": Linux takes that of any path for one of path 0, and removes it. */
        uint64_t mask = p->path == 0 && p->target == 0 ? unit_mask(s, controller) : 0;

        scsi_report_luns(mask, &c, &s->answer);
        answer_scsi(s, q);
    } else if (q->unit == NULL) {
        to_nobody(s, q, &c);
    } else {
        to_unit(s, q, &c);
    }
}

/* Requests that are on their way end as they would have: the guest waits for them. */
static void reset_units(struct storage *s, unsigned device, const struct storvsp_packet *p)
{
    for (unsigned i = 0; i < DISK_LUNS; i++) {
        struct unit *u = &s->units[device * DISK_LUNS + i];

        if (!u->present || (p->op == STORVSP_RESET_LUN && u != unit_find(s, device, p)))
            continue;
        scsi_reset(&u->lun);
        board_log(&s->worker->board, LOG_LEVEL_DEBUG, "disk %u:%u: reset by the guest",
                  u->controller, u->number);
    }
    journal_commit(s->worker);
}

/* Only on the primary channel; a subchannel has SRBs alone. */
static void execute_control(struct storage *s, struct request *q, const struct storvsp_packet *p)
{
    const struct inflight_slot *slot = request_slot(s, q);
    unsigned device = q->channel / VMBUS_SUBCHANNELS;
    struct controller *c = &s->controllers[device];
    uint8_t out[STORVSP_PACKET_BYTES];

    if (q->channel % VMBUS_SUBCHANNELS != 0) {
        answer_status(s, q, STORVSP_INVALID_DEVICE_STATE);
        return;
    }
    if (controller_execute(c, p, slot->packet, slot->packet_len, VMBUS_SUBCHANNELS - 1, out)) {
        journal_commit(s->worker);
        atomic_store(&s->bus.acks->subchannels[device], c->subchannels);
        bus_ring_vmbus(&s->bus);
    }
    if (storvsp_is_reset(p->op) && c->phase == CONTROLLER_READY)
        reset_units(s, device, p);
    answer_packet(s, q, out);
}

static void execute(struct storage *s, struct request *q, const struct storvsp_packet *p)
{
    set_doing(s, q, p);
    if (p->op == STORVSP_EXECUTE_SRB)
        execute_srb(s, q, p);
    else
        execute_control(s, q, p);
}

void request_begin(struct storage *s, unsigned channel, unsigned slot, uint64_t now_ns,
                   const int32_t *known)
{
    struct request *q = &s->requests[channel][slot];
    const struct inflight_slot *sl = flow_slot(&s->flows[channel], slot);
    struct storvsp_packet p UNINITIALIZED;

    *q = (struct request){.in_use = true,
                          .channel = (uint8_t)channel,
                          .slot = (uint16_t)slot,
                          .list = STORAGE_RANGE_LISTS,
                          .began_ns = now_ns,
                          .has_known = known != NULL,
                          .known = known == NULL ? 0 : *known};
    set_executing(s, q);
    if (answer_is_last(s, q))
        answer_packet(s, q, s->last.answer);
    else if (storvsp_parse(sl->packet, sl->packet_len, &p) < 0)
        answer_bad(s, q);
    else
        execute(s, q, &p);
    region_set_executing(&s->worker->region, 0);
}

/* A predecessor that was taken over may have written what is no packet. */
static bool is_for(const struct inflight_slot *slot, unsigned lun)
{
    struct storvsp_packet p UNINITIALIZED;

    return atomic_load(&slot->state) == INFLIGHT_CLAIMED &&
           slot->packet_len <= sizeof(slot->packet) &&
           storvsp_parse(slot->packet, slot->packet_len, &p) == 0 && p.op == STORVSP_EXECUTE_SRB &&
           p.lun == lun;
}

void request_disk_gone(struct storage *s, const struct unit *u)
{
    unsigned at = (unsigned)(u - s->units);
    const struct flow *flows = &s->flows[at / DISK_LUNS * VMBUS_SUBCHANNELS];

    for (unsigned i = 0; i < VMBUS_SUBCHANNELS * INFLIGHT_SLOTS; i++) {
        struct inflight_slot *slot = flow_slot(&flows[i / INFLIGHT_SLOTS], i % INFLIGHT_SLOTS);

        if (is_for(slot, at % DISK_LUNS))
            slot->flags |= INFLIGHT_DISK_GONE;
    }
}

struct request *request_of(struct storage *s, const struct uring_done *done)
{
    unsigned channel, slot;
    uint8_t step;
    struct request *q;

    if (!io_tag(done->user_data, &channel, &slot, &step))
        return NULL;
    q = &s->requests[channel][slot];
    return q->in_use && q->step == step ? q : NULL;
}

void request_note(struct storage *s, const struct request *q, int32_t res)
{
    uint32_t file;

    if (!io_is_lasting(res))
        return;
    request_slot(s, q)->error = -res;
    if (io_syncs(s, q, &file))
        metadata_failed(s, file);
}

void request_completed(struct storage *s, struct request *q, int32_t res, uint64_t now_ns)
{
    set_executing(s, q);
    io_take_result(s, q, res, now_ns);
    region_set_executing(&s->worker->region, 0);
}

bool request_feed(struct storage *s, uint64_t now_ns)
{
    struct request *q = s->ready.first;
    struct request *next;
    bool any = q != NULL;

    if (uring_room(&s->ring) == 0) /* completions will make some */
        return false;
    s->ready = (struct request_queue){0};
    for (; q != NULL; q = next) {
        next = q->queue_next;
        set_executing(s, q);
        io_advance(s, q, now_ns);
    }
    region_set_executing(&s->worker->region, 0);
    return any;
}
