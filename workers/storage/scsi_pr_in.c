#include "workers/storage/scsi_exec.h"

/*
 * PERSISTENT RESERVE IN. Each of its actions writes the answer and says how long it is.
 *
 * @spec SPC-4 6.15
 */

enum {
    ALL_TYPES = 0xea01, /* the mask of REPORT CAPABILITIES */
    TRANSPORT_ID_BYTES = 24,
    FULL_STATUS_BYTES = 24 + TRANSPORT_ID_BYTES,
    TRANSPORT_SAS = 6, /* the one whose names are numbers of 64 bits, as ours are */
};

static size_t read_keys(const struct scsi_lun *lun, uint8_t *in)
{
    size_t len = 8;

    for (size_t i = 0; i < COUNT_OF(lun->state.registrants); i++) {
        if (lun->state.registrants[i].initiator == 0)
            continue;
        scsi_put(in + len, 8, lun->state.registrants[i].key);
        len += 8;
    }
    scsi_put(in, 4, lun->state.pr_generation);
    scsi_put(in + 4, 4, len - 8);
    return len;
}

/* Where all registrants hold it, its key is 0. */
static size_t read_reservation(const struct scsi_lun *lun, uint8_t *in)
{
    const struct scsi_state *s = &lun->state;

    scsi_put(in, 4, s->pr_generation);
    if (s->pr_type == 0)
        return 8;
    scsi_put(in + 4, 4, 16);
    if (!scsi_pr_is_all_registrants(s->pr_type))
        scsi_put(in + 8, 8, s->registrants[scsi_pr_find(s, s->pr_holder)].key);
    in[21] = (uint8_t)s->pr_type;
    return 24;
}

static size_t report_capabilities(const struct scsi_lun *lun, uint8_t *in)
{
    scsi_put(in, 2, 8);
    in[2] = lun->config.persistent ? 0x01 : 0;                  /* PTPL_C */
    in[3] = (lun->state.flags & SCSI_APTPL) != 0 ? 0x81 : 0x80; /* TMV, PTPL_A */
    scsi_put(in + 4, 2, ALL_TYPES);
    return 8;
}

static void full_status(const struct scsi_state *s, const struct scsi_registrant *r, uint8_t *at)
{
    scsi_put(at, 8, r->key);
    if (scsi_pr_is_holder(s, r->initiator)) {
        at[12] = 1; /* R_HOLDER */
        at[13] = (uint8_t)s->pr_type;
    }
    scsi_put(at + 18, 2, 1); /* relative target port */
    scsi_put(at + 20, 4, TRANSPORT_ID_BYTES);
    at[24] = TRANSPORT_SAS;
    scsi_put(at + 28, 8, r->initiator);
}

static size_t read_full_status(const struct scsi_lun *lun, uint8_t *in)
{
    const struct scsi_state *s = &lun->state;
    size_t len = 8;

    for (size_t i = 0; i < COUNT_OF(s->registrants); i++) {
        if (s->registrants[i].initiator == 0)
            continue;
        full_status(s, &s->registrants[i], in + len);
        len += FULL_STATUS_BYTES;
    }
    scsi_put(in, 4, s->pr_generation);
    scsi_put(in + 4, 4, len - 8);
    return len;
}

enum scsi_sense scsi_pr_in(struct scsi_exec *x)
{
    static size_t (*const actions[])(const struct scsi_lun *lun, uint8_t *in) = {
        read_keys, read_reservation, report_capabilities, read_full_status};
    unsigned action = x->c->cdb[1] & 0x1f;
    uint8_t *in;

    if (x->lun->state.old_holder != 0)
        return SENSE_CONFLICT;
    if (action >= COUNT_OF(actions))
        return scsi_bad_cdb(x, 1, 4);
    in = scsi_in(x, 8 + (size_t)SCSI_REGISTRANTS_MAX * FULL_STATUS_BYTES);
    return scsi_give(x, actions[action](x->lun, in), scsi_get(x->c->cdb + 7, 2));
}
