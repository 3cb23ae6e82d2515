#include <errno.h>

#include "workers/storage/scsi_exec.h"

enum {
    UNIT_ATTENTIONS = SCSI_CAPACITY_CHANGED | SCSI_MEDIUM_CHANGED | SCSI_LUNS_CHANGED,
    PR_ATTENTIONS = SCSI_PR_PREEMPTED | SCSI_PR_RELEASED | SCSI_PR_UNREGISTERED,
    FLAGS = SCSI_TRAY_OPEN | SCSI_REMOVAL_PREVENTED | SCSI_STOPPED | SCSI_APTPL | SCSI_EVENT_NEW |
            SCSI_EVENT_REMOVED,
};

void scsi_state_save(const struct scsi_state *s, struct wr *out)
{
    wr_le32(out, s->attentions);
    wr_le32(out, s->flags);
    wr_le32(out, s->pr_generation);
    wr_le32(out, s->pr_type);
    wr_le64(out, s->pr_holder);
    for (size_t i = 0; i < COUNT_OF(s->registrants); i++) {
        wr_le64(out, s->registrants[i].initiator);
        wr_le64(out, s->registrants[i].key);
    }
    wr_le64(out, s->old_holder);
    for (size_t i = 0; i < COUNT_OF(s->notices); i++) {
        wr_le64(out, s->notices[i].initiator);
        wr_le32(out, s->notices[i].attentions);
    }
}

static bool is_registered(const struct scsi_state *s, uint64_t initiator)
{
    for (size_t i = 0; i < COUNT_OF(s->registrants); i++) {
        if (s->registrants[i].initiator == initiator)
            return true;
    }
    return false;
}

/* Rows are empty or whole, and nobody has two. */
static bool registrants_are_sound(const struct scsi_state *s, size_t *ret_n)
{
    size_t n = 0;

    for (size_t i = 0; i < COUNT_OF(s->registrants); i++) {
        const struct scsi_registrant *r = &s->registrants[i];

        if ((r->initiator == 0) != (r->key == 0))
            return false;
        for (size_t k = 0; k < i; k++) {
            if (r->initiator != 0 && s->registrants[k].initiator == r->initiator)
                return false;
        }
        n += r->initiator != 0;
    }
    *ret_n = n;
    return true;
}

static bool notices_are_sound(const struct scsi_state *s)
{
    for (size_t i = 0; i < COUNT_OF(s->notices); i++) {
        const struct scsi_notice *n = &s->notices[i];

        if ((n->initiator == 0) != (n->attentions == 0) ||
            (n->attentions & ~(uint32_t)PR_ATTENTIONS) != 0)
            return false;
        for (size_t k = 0; k < i; k++) {
            if (n->initiator != 0 && s->notices[k].initiator == n->initiator)
                return false;
        }
    }
    return true;
}

static bool reservation_is_sound(const struct scsi_state *s, size_t n_registrants)
{
    if (s->old_holder != 0 && n_registrants != 0)
        return false; /* each kind of reservation refuses the other */
    if (s->pr_type == 0)
        return s->pr_holder == 0;
    if (!scsi_pr_type_is_known(s->pr_type))
        return false;
    if (scsi_pr_is_all_registrants(s->pr_type))
        return s->pr_holder == 0 && n_registrants != 0;
    return s->pr_holder != 0 && is_registered(s, s->pr_holder);
}

static bool state_is_sound(const struct scsi_state *s)
{
    size_t n = 0;

    return (s->attentions & ~(uint32_t)UNIT_ATTENTIONS) == 0 &&
           (s->flags & ~(uint32_t)FLAGS) == 0 && registrants_are_sound(s, &n) &&
           reservation_is_sound(s, n) && notices_are_sound(s);
}

int scsi_state_load(struct rd *in, struct scsi_state *ret)
{
    struct scsi_state s = {0};

    s.attentions = rd_le32(in);
    s.flags = rd_le32(in);
    s.pr_generation = rd_le32(in);
    s.pr_type = rd_le32(in);
    s.pr_holder = rd_le64(in);
    for (size_t i = 0; i < COUNT_OF(s.registrants); i++) {
        s.registrants[i].initiator = rd_le64(in);
        s.registrants[i].key = rd_le64(in);
    }
    s.old_holder = rd_le64(in);
    for (size_t i = 0; i < COUNT_OF(s.notices); i++) {
        s.notices[i].initiator = rd_le64(in);
        s.notices[i].attentions = rd_le32(in);
    }
    if (!rd_ok(in) || !state_is_sound(&s))
        return -EBADMSG;
    *ret = s;
    return 0;
}
