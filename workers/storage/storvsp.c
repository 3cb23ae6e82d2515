#include "workers/storage/storvsp.h"

#include <errno.h>
#include <string.h>

#include "ipc/inflight.h"

enum {
    STATUS_AT = 8,
    PAYLOAD_AT = 12,
    SRB_STATUS_AT = PAYLOAD_AT + 2,
    SCSI_STATUS_AT = PAYLOAD_AT + 3,
    SENSE_LEN_AT = PAYLOAD_AT + 9,
    DATA_LEN_AT = PAYLOAD_AT + 12,
    CDB_AT = PAYLOAD_AT + 16,
    SRB_FLAG_NO_AUTOSENSE = 0x20,
    MULTI_CHANNEL = 1,
};

static void parse_srb(struct rd *r, bool is_old, struct storvsp_packet *p)
{
    (void)rd_le16(r); /* length */
    (void)rd_le16(r); /* srb and SCSI status: ours */
    (void)rd_u8(r);   /* port */
    p->path = rd_u8(r);
    p->target = rd_u8(r);
    p->lun = rd_u8(r);
    p->cdb_len = rd_u8(r);
    p->sense_room = rd_u8(r);
    p->data_in = rd_u8(r);
    (void)rd_u8(r);
    p->data_len = rd_le32(r);
    rd_copy(r, p->cdb, sizeof(p->cdb));
    (void)rd_le32(r); /* the union's end */
    if (is_old)
        return;
    (void)rd_le32(r); /* reserved, queue tag, queue action */
    p->no_sense = (rd_le32(r) & SRB_FLAG_NO_AUTOSENSE) != 0;
}

int storvsp_parse(const void *bytes, uint32_t len, struct storvsp_packet *ret)
{
    struct rd r = rd_over(bytes, len);

    memset(ret, 0, sizeof(*ret));
    if (len < STORVSP_OLD_PACKET_BYTES)
        return -EBADMSG;
    ret->op = rd_le32(&r);
    (void)rd_le32(&r); /* flags */
    (void)rd_le32(&r); /* status: ours */
    if (ret->op == STORVSP_EXECUTE_SRB || ret->op == STORVSP_RESET_LUN)
        parse_srb(&r, len < STORVSP_PACKET_BYTES, ret);
    else if (ret->op == STORVSP_QUERY_VERSION)
        ret->version = rd_le16(&r);
    else if (ret->op == STORVSP_CREATE_SUBCHANNELS)
        ret->subchannels = rd_le16(&r);
    if (!rd_ok(&r) || ret->cdb_len > SCSI_CDB_BYTES || ret->data_in > 2)
        return -EBADMSG;
    for (unsigned i = ret->cdb_len; i < SCSI_CDB_BYTES; i++)
        ret->cdb[i] = 0;
    return 0;
}

static void put_le32(uint8_t *to, uint32_t value)
{
    struct wr w = wr_over(to, 4);

    wr_le32(&w, value);
}

static void begin_answer(const void *request, uint32_t len, uint32_t status, uint8_t *out)
{
    memset(out, 0, STORVSP_PACKET_BYTES);
    memcpy(out, request, len < STORVSP_PACKET_BYTES ? len : STORVSP_PACKET_BYTES);
    put_le32(out, STORVSP_COMPLETE);
    put_le32(out + 4, 0);
    put_le32(out + STATUS_AT, status);
}

void storvsp_answer_status(const void *request, uint32_t len, uint32_t status, uint8_t *out)
{
    begin_answer(request, len, status, out);
}

void storvsp_answer_srb(const void *request, uint32_t len, const struct storvsp_result *result,
                        uint8_t *out)
{
    begin_answer(request, len, result->status, out);
    out[SRB_STATUS_AT] = result->srb_status;
    out[SCSI_STATUS_AT] = result->scsi_status;
    out[SENSE_LEN_AT] = result->sense_len;
    put_le32(out + DATA_LEN_AT, result->data_len);
    if (result->sense_len > 0)
        memcpy(out + CDB_AT, result->sense,
               result->sense_len < STORVSP_SENSE_MAX ? result->sense_len : STORVSP_SENSE_MAX);
}

void storvsp_answer_properties(const void *request, uint32_t len, uint16_t max_subchannels,
                               uint32_t max_bytes, uint8_t *out)
{
    struct wr w = wr_over(out + PAYLOAD_AT, 24);

    begin_answer(request, len, STORVSP_SUCCESS, out);
    wr_le32(&w, 0);
    wr_le16(&w, max_subchannels);
    wr_le16(&w, 0);
    wr_le32(&w, max_subchannels > 0 ? MULTI_CHANNEL : 0);
    wr_le32(&w, max_bytes);
    wr_le64(&w, 0);
}

/* --- a controller --- */

void controller_open(struct controller *c, uint32_t opening)
{
    *c = (struct controller){.opening = opening};
}

/* Windows Server 2008, 2008 R2, 8, 8.1, 10. */
static bool is_supported(uint16_t version)
{
    static const uint16_t versions[] = {0x0200, 0x0402, 0x0501, 0x0600, 0x0602};

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        if (versions[i] == version)
            return true;
    }
    return false;
}

/*
 * An operation is allowed in the phase before it and in the one it leads to, because its answer may
 * have been lost with a worker.
 */
static const struct {
    enum storvsp_op op;
    enum controller_phase from, to;
} steps[] = {
    {STORVSP_BEGIN_INIT,       CONTROLLER_CLOSED,     CONTROLLER_BEGUN     },
    {STORVSP_QUERY_VERSION,    CONTROLLER_BEGUN,      CONTROLLER_VERSION   },
    {STORVSP_QUERY_PROPERTIES, CONTROLLER_VERSION,    CONTROLLER_PROPERTIES},
    {STORVSP_END_INIT,         CONTROLLER_PROPERTIES, CONTROLLER_READY     },
};

static bool may_step(const struct controller *c, uint32_t op, uint32_t *ret_to)
{
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        if ((uint32_t)steps[i].op != op)
            continue;
        *ret_to = (uint32_t)steps[i].to;
        return c->phase == (uint32_t)steps[i].from || c->phase == (uint32_t)steps[i].to;
    }
    return false;
}

/* Before END_INIT or after: Windows asks before. */
static uint32_t create_subchannels(struct controller *c, uint16_t n, uint16_t max)
{
    if (c->phase < CONTROLLER_PROPERTIES)
        return STORVSP_INVALID_DEVICE_STATE;
    if (n > max || (c->subchannels != 0 && c->subchannels != n))
        return STORVSP_INVALID_REQUEST;
    c->subchannels = n;
    return STORVSP_SUCCESS;
}

bool storvsp_is_reset(uint32_t op)
{
    return op == STORVSP_RESET_LUN || op == STORVSP_RESET_ADAPTER || op == STORVSP_RESET_BUS;
}

bool controller_execute(struct controller *c, const struct storvsp_packet *p, const void *request,
                        uint32_t len, uint16_t max_subchannels, uint8_t *out)
{
    struct controller before = *c;
    uint32_t status = STORVSP_SUCCESS;
    uint32_t to = c->phase;

    if (p->op == STORVSP_CREATE_SUBCHANNELS)
        status = create_subchannels(c, p->subchannels, max_subchannels);
    else if (storvsp_is_reset(p->op))
        status = c->phase == CONTROLLER_READY ? STORVSP_SUCCESS : STORVSP_INVALID_DEVICE_STATE;
    else if (!may_step(c, p->op, &to))
        status = STORVSP_INVALID_DEVICE_STATE;
    else if (p->op == STORVSP_QUERY_VERSION && !is_supported(p->version))
        status = STORVSP_REVISION_MISMATCH;
    if (status == STORVSP_SUCCESS) {
        c->phase = to;
        if (p->op == STORVSP_QUERY_VERSION)
            c->version = p->version;
    }
    if (p->op == STORVSP_QUERY_PROPERTIES && status == STORVSP_SUCCESS)
        storvsp_answer_properties(request, len, max_subchannels, INFLIGHT_DATA_MAX, out);
    else
        storvsp_answer_status(request, len, status, out);
    return memcmp(&before, c, sizeof(before)) != 0;
}

void controller_save(const struct controller *c, struct wr *w)
{
    wr_le32(w, c->phase);
    wr_le32(w, c->version);
    wr_le32(w, c->opening);
    wr_le32(w, c->subchannels);
}

int controller_load(struct controller *c, struct rd *r)
{
    struct controller n;

    n.phase = rd_le32(r);
    n.version = rd_le32(r);
    n.opening = rd_le32(r);
    n.subchannels = rd_le32(r);
    if (!rd_ok(r) || n.phase >= CONTROLLER_PHASES || n.subchannels >= 8)
        return -EBADMSG;
    *c = n;
    return 0;
}
