#include "workers/vtpm/state.h"

#include <errno.h>
#include <string.h>

static void save_bytes(struct wr *out, const uint8_t *bytes, size_t len)
{
    wr_le32(out, (uint32_t)len);
    wr_bytes(out, bytes, len);
}

/* A parked worker has no TPM to export: what is to be redone stays what it is. */
void vtpm_save(void *self, struct wr *out)
{
    struct vtpm *v = self;
    bool running = v->crb.state == CRB_RUNNING;

    if (v->redo.len != 0 && !v->worker->parked)
        vtpm_export_or_die(v);
    wr_le32(out, v->epoch);
    wr_le32(out, crb_pack(&v->crb));
    wr_le64(out, v->number);
    wr_le32(out, v->audited ? VTPM_FLAG_AUDITED : 0);
    wr_le32(out, v->command.locality);
    save_bytes(out, v->command.bytes, running ? v->command.len : 0);
    save_bytes(out, v->response, v->response_len);
    save_bytes(out, v->tpm.permanent.bytes, v->tpm.permanent.len);
    save_bytes(out, v->tpm.volatile_state.bytes, v->tpm.volatile_state.len);
    save_bytes(out, v->redo.bytes, v->redo.len);
}

void vtpm_log(void *self, struct wr *out)
{
    const struct vtpm *v = self;

    wr_le32(out, v->epoch);
    wr_le32(out, crb_pack(&v->crb));
    wr_le64(out, v->number);
    save_bytes(out, v->redo.bytes + v->redo_logged, v->redo.len - v->redo_logged);
    save_bytes(out, v->response, v->response_len);
}

static struct span load_span(struct rd *in, size_t max)
{
    size_t len = rd_le32(in);

    return rd_span(in, len <= max ? len : SIZE_MAX);
}

static void set_response(struct vtpm *v, struct span response)
{
    v->response_len = (uint32_t)response.len;
    memcpy(v->response, response.at, response.len);
}

int vtpm_parse_state(struct vtpm *v, struct rd *in, struct vtpm_saved *ret)
{
    struct vtpm_saved s;
    struct span response, redo;
    uint32_t crb;

    v->epoch = rd_le32(in);
    crb = rd_le32(in);
    v->number = rd_le64(in);
    s.flags = rd_le32(in);
    s.locality = rd_le32(in);
    s.command = load_span(in, COMMAND_BYTES_MAX);
    response = load_span(in, COMMAND_BYTES_MAX);
    s.permanent = load_span(in, TPM_PERMANENT_BYTES_MAX);
    s.volatile_state = load_span(in, TPM_VOLATILE_BYTES_MAX);
    redo = load_span(in, REDO_BYTES_MAX);
    if (rd_finish(in) < 0 || s.locality >= CRB_LOCALITIES || crb_unpack(crb, &v->crb) < 0 ||
        redo_load(&v->redo, redo) < 0)
        return -EBADMSG;
    set_response(v, response);
    *ret = s;
    return 0;
}

int vtpm_take_record(void *self, struct rd *in)
{
    struct vtpm *v = self;
    struct span redo, response;
    uint32_t crb;

    v->epoch = rd_le32(in);
    crb = rd_le32(in);
    v->number = rd_le64(in);
    redo = load_span(in, REGION_RECORD_MAX);
    response = load_span(in, REGION_RECORD_MAX);
    if (rd_finish(in) < 0 || crb_unpack(crb, &v->crb) < 0 || redo_load(&v->redo, redo) < 0)
        return -EBADMSG;
    set_response(v, response);
    return 0;
}
