/*
 * workers/storage/answer.c - what a guest is told of a request: a storvsp packet in the request's slot.
 */
#include <string.h>

#include "workers/journal.h"
#include "workers/storage/storage.h"

enum {
    SCSI_BUSY = 0x08,
    SRB_BUSY = 0x05,
    SENSE_KEY = 2, /* where it is in sense data of the fixed format */
    SENSE_CODE = 12,
    SENSE_QUALIFIER = 13,
};

void answer_packet(struct storage *s, struct request *q, const uint8_t *bytes)
{
    q->in_use = false;
    flow_answer(&s->flows[q->channel], q->slot, bytes, request_slot(s, q)->packet_len);
}

void answer_status(struct storage *s, struct request *q, uint32_t status)
{
    const struct inflight_slot *slot = request_slot(s, q);
    uint8_t out[STORVSP_PACKET_BYTES] UNINITIALIZED;

    storvsp_answer_status(slot->packet, slot->packet_len, status, out);
    answer_packet(s, q, out);
}

void answer_result(struct storage *s, struct request *q, const struct storvsp_result *result)
{
    const struct inflight_slot *slot = request_slot(s, q);
    uint8_t out[STORVSP_PACKET_BYTES] UNINITIALIZED;

    storvsp_answer_srb(slot->packet, slot->packet_len, result, out);
    answer_packet(s, q, out);
}

/*
 * Not one that could be executed: no sense tells why, because it is the transport's. The status of the SRB
 * must say so, too: to Linux all is well where that one and SCSI's are 0, as in the request.
 */
void answer_wrong(struct storage *s, struct request *q, uint32_t status)
{
    const struct storvsp_result wrong = {.status = status, .srb_status = SRB_INVALID_REQUEST};

    answer_result(s, q, &wrong);
}

void answer_bad(struct storage *s, struct request *q)
{
    answer_wrong(s, q, STORVSP_INVALID_REQUEST);
}

struct storvsp_result answer_of(const struct scsi_answer *a, uint32_t data_len)
{
    struct storvsp_result result = {
        .srb_status = SRB_SUCCESS, .scsi_status = (uint8_t)a->status, .data_len = data_len};

    if (a->status == SCSI_GOOD)
        return result;
    result.status = STORVSP_IO_ERROR;
    result.srb_status = SRB_ERROR;
    if (a->sense_len > 0) {
        result.srb_status |= SRB_AUTOSENSE_VALID;
        result.sense_len = a->sense_len;
        memcpy(result.sense, a->sense, a->sense_len);
    }
    return result;
}

/* What changed of a unit and the answer are one commit: a successor tells it and does not do it again. */
static void keep_change(struct storage *s, const struct request *q, const uint8_t *bytes)
{
    s->last.channel = q->channel;
    s->last.opening = s->flows[q->channel].log->opening;
    s->last.seq = request_slot(s, q)->seq;
    s->last.answer_len = request_slot(s, q)->packet_len;
    memcpy(s->last.answer, bytes, sizeof(s->last.answer));
    journal_commit(s->worker);
}

bool answer_is_last(const struct storage *s, const struct request *q)
{
    return s->last.answer_len != 0 && s->last.channel == q->channel &&
           s->last.opening == s->flows[q->channel].log->opening &&
           s->last.seq == request_slot(s, q)->seq;
}

void answer_note(struct storage *s, const struct unit *u, const struct scsi_answer *a)
{
    const bool told = a->sense_len >= SENSE_QUALIFIER + 1;

    if (a->status != SCSI_GOOD && u != NULL)
        board_log(&s->worker->board, LOG_LEVEL_DEBUG, "disk %u:%u: status %x, sense %x/%x/%x",
                  u->controller, u->number, (unsigned)a->status,
                  told ? a->sense[SENSE_KEY] & 0x0fu : 0, told ? a->sense[SENSE_CODE] : 0u,
                  told ? a->sense[SENSE_QUALIFIER] : 0u);
}

/* A command without I/O: its data goes to the guest, then the answer. */
void answer_scsi(struct storage *s, struct request *q)
{
    const struct inflight_slot *slot = request_slot(s, q);
    struct scsi_answer *a = &s->answer;
    struct storvsp_result result;
    uint8_t out[STORVSP_PACKET_BYTES] UNINITIALIZED;

    if (a->in_len > slot->data_len)
        a->in_len = slot->data_len;
    if (data_copy_out(s, slot, 0, a->in, a->in_len) < 0) {
        answer_bad(s, q);
        return;
    }
    result = answer_of(a, a->in_len);
    answer_note(s, q->unit, a);
    storvsp_answer_srb(slot->packet, slot->packet_len, &result, out);
    if (a->changed)
        keep_change(s, q, out);
    answer_packet(s, q, out);
}

void answer_busy(struct storage *s, struct request *q)
{
    const struct storvsp_result busy = {
        .status = STORVSP_IO_ERROR, .srb_status = SRB_BUSY, .scsi_status = SCSI_BUSY};

    answer_result(s, q, &busy);
}
