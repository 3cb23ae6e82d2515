#include "workers/storage/scsi_exec.h"

/*
 * Reservations: persistent ones, and those of RESERVE(6) and (10), of which each kind refuses the
 * other.
 *
 * @spec SPC-4 5.13, 6.15, 6.16; SPC-2 5.5, 7.21
 */

enum {
    OP_RESERVE10 = 0x56,
    OP_RELEASE10 = 0x57,
    LIST_BYTES = 24,
};

enum pr_type {
    WRITE_EXCLUSIVE = 1,
    EXCLUSIVE_ACCESS = 3,
    WRITE_EXCLUSIVE_REGISTRANTS = 5,
    EXCLUSIVE_ACCESS_REGISTRANTS = 6,
    WRITE_EXCLUSIVE_ALL = 7,
    EXCLUSIVE_ACCESS_ALL = 8,
};

enum pr_out_action {
    PR_REGISTER = 0,
    PR_RESERVE = 1,
    PR_RELEASE = 2,
    PR_CLEAR = 3,
    PR_PREEMPT = 4,
    PR_PREEMPT_AND_ABORT = 5,
    PR_REGISTER_AND_IGNORE = 6,
    PR_OUT_ACTIONS = 7,
};

bool scsi_pr_type_is_known(unsigned type)
{
    return type == WRITE_EXCLUSIVE || type == EXCLUSIVE_ACCESS ||
           (type >= WRITE_EXCLUSIVE_REGISTRANTS && type <= EXCLUSIVE_ACCESS_ALL);
}

/* All registrants hold it together. */
bool scsi_pr_is_all_registrants(unsigned type)
{
    return type == WRITE_EXCLUSIVE_ALL || type == EXCLUSIVE_ACCESS_ALL;
}

/* Whoever is registered may do what the holder may. */
static bool is_for_registrants(unsigned type)
{
    return type >= WRITE_EXCLUSIVE_REGISTRANTS;
}

static bool is_exclusive_access(unsigned type)
{
    return type == EXCLUSIVE_ACCESS || type == EXCLUSIVE_ACCESS_REGISTRANTS ||
           type == EXCLUSIVE_ACCESS_ALL;
}

int scsi_pr_find(const struct scsi_state *s, uint64_t initiator)
{
    for (size_t i = 0; i < COUNT_OF(s->registrants); i++) {
        if (s->registrants[i].initiator == initiator)
            return (int)i;
    }
    return -1;
}

static bool is_anybody_registered(const struct scsi_state *s)
{
    for (size_t i = 0; i < COUNT_OF(s->registrants); i++) {
        if (s->registrants[i].initiator != 0)
            return true;
    }
    return false;
}

bool scsi_pr_is_holder(const struct scsi_state *s, uint64_t initiator)
{
    if (s->pr_type == 0)
        return false;
    return scsi_pr_is_all_registrants(s->pr_type) ? scsi_pr_find(s, initiator) >= 0
                                                  : s->pr_holder == initiator;
}

bool scsi_conflicts(const struct scsi_state *s, uint64_t initiator, unsigned access)
{
    if (s->old_holder != 0)
        return s->old_holder != initiator && (access & SCSI_NOT_UNDER_RESERVE) != 0;
    if (s->pr_type == 0 || scsi_pr_is_holder(s, initiator) ||
        (is_for_registrants(s->pr_type) && scsi_pr_find(s, initiator) >= 0))
        return false;
    return (access & (is_exclusive_access(s->pr_type) ? SCSI_NOT_UNDER_EXCLUSIVE_ACCESS
                                                      : SCSI_NOT_UNDER_WRITE_EXCLUSIVE)) != 0;
}

/* --- what a change takes with it --- */

/* Where nobody is left to be told, or no room to remember him, he is not. */
static void notify(struct scsi_state *s, uint64_t initiator, enum scsi_attention attention)
{
    struct scsi_notice *row = NULL;

    for (size_t i = 0; i < COUNT_OF(s->notices); i++) {
        struct scsi_notice *n = &s->notices[i];

        if (n->initiator == initiator) {
            row = n;
            break;
        }
        if (n->initiator == 0 && row == NULL)
            row = n;
    }
    if (row == NULL)
        return;
    row->initiator = initiator;
    row->attentions |= (uint32_t)attention;
}

static void notify_others(struct scsi_state *s, uint64_t me, enum scsi_attention attention)
{
    for (size_t i = 0; i < COUNT_OF(s->registrants); i++) {
        if (s->registrants[i].initiator != 0 && s->registrants[i].initiator != me)
            notify(s, s->registrants[i].initiator, attention);
    }
}

static void end_reservation(struct scsi_state *s)
{
    s->pr_type = 0;
    s->pr_holder = 0;
}

/* Who shared in it is told; of the types with one holder, nobody else had anything. */
static void release_reservation(struct scsi_state *s, uint64_t me)
{
    if (is_for_registrants(s->pr_type))
        notify_others(s, me, SCSI_PR_RELEASED);
    end_reservation(s);
}

static void unregister(struct scsi_state *s, int row)
{
    uint64_t initiator = s->registrants[row].initiator;

    s->registrants[row] = (struct scsi_registrant){0};
    if (s->pr_holder == initiator && s->pr_type != 0)
        release_reservation(s, initiator);
    else if (!is_anybody_registered(s))
        end_reservation(s); /* all registrants held it */
}

/* --- PERSISTENT RESERVE OUT --- */

struct pr_list {
    uint64_t key;
    uint64_t action_key;
    bool all_tg_pt;
    bool aptpl;
};

static enum scsi_sense parse_list(struct scsi_exec *x, struct pr_list *ret)
{
    uint64_t len = scsi_get(x->c->cdb + 5, 4);
    struct span out = scsi_out(x);
    uint8_t flags;

    if (len < LIST_BYTES || out.len < LIST_BYTES)
        return SENSE_LIST_LENGTH;
    flags = out.at[20];
    *ret = (struct pr_list){
        .key = scsi_get(out.at, 8),
        .action_key = scsi_get(out.at + 8, 8),
        .all_tg_pt = (flags & 4) != 0,
        .aptpl = (flags & 1) != 0,
    };
    if ((flags & 8) != 0)
        return scsi_bad_list(x, 20, 3); /* SPEC_I_PT: a list of other ports follows */
    return len == LIST_BYTES ? SENSE_NONE : SENSE_LIST_LENGTH;
}

/* The scope is the whole unit, of a type that there is. */
static enum scsi_sense check_type(struct scsi_exec *x)
{
    if (x->c->cdb[2] >> 4 != 0)
        return scsi_bad_cdb(x, 2, 7);
    return scsi_pr_type_is_known(x->c->cdb[2] & 0x0f) ? SENSE_NONE : scsi_bad_cdb(x, 2, 3);
}

static enum scsi_sense check_register(struct scsi_exec *x, const struct pr_list *list)
{
    if (list->all_tg_pt)
        return scsi_bad_list(x, 20, 2);
    if (list->aptpl && !x->lun->config.persistent)
        return scsi_bad_list(x, 20, 0);
    return SENSE_NONE;
}

static enum scsi_sense register_new(struct scsi_exec *x, uint64_t key)
{
    int free_row = scsi_pr_find(&x->lun->state, 0);
    struct scsi_state *s;

    if (free_row < 0)
        return SENSE_NO_REGISTRATION_LEFT;
    s = scsi_change(x);
    s->registrants[free_row] = (struct scsi_registrant){x->c->initiator, key};
    return SENSE_NONE;
}

static void registered(struct scsi_exec *x, const struct pr_list *list)
{
    struct scsi_state *s = scsi_change(x);

    s->flags &= ~(uint32_t)SCSI_APTPL;
    if (list->aptpl)
        s->flags |= SCSI_APTPL;
    s->pr_generation++;
}

static enum scsi_sense set_key(struct scsi_exec *x, const struct pr_list *list, int row)
{
    enum scsi_sense s = SENSE_NONE;

    if (row < 0 && list->action_key == 0)
        return SENSE_NONE; /* there is nothing to take back */
    if (row < 0)
        s = register_new(x, list->action_key);
    else if (list->action_key != 0)
        scsi_change(x)->registrants[row].key = list->action_key;
    else
        unregister(scsi_change(x), row);
    if (s == SENSE_NONE)
        registered(x, list);
    return s;
}

/* @spec SPC-4 5.13.7 */
static enum scsi_sense pr_register(struct scsi_exec *x, const struct pr_list *list)
{
    int row = scsi_pr_find(&x->lun->state, x->c->initiator);
    uint64_t key = row < 0 ? 0 : x->lun->state.registrants[row].key;
    enum scsi_sense s;

    if (list->key != key)
        return SENSE_CONFLICT;
    s = check_register(x, list);
    return s == SENSE_NONE ? set_key(x, list, row) : s;
}

static enum scsi_sense pr_register_and_ignore(struct scsi_exec *x, const struct pr_list *list)
{
    enum scsi_sense s = check_register(x, list);

    return s == SENSE_NONE ? set_key(x, list, scsi_pr_find(&x->lun->state, x->c->initiator)) : s;
}

static void reserve_as(struct scsi_state *s, unsigned type, uint64_t initiator)
{
    s->pr_type = type;
    s->pr_holder = scsi_pr_is_all_registrants(type) ? 0 : initiator;
}

/* @spec SPC-4 5.13.9 */
static enum scsi_sense pr_reserve(struct scsi_exec *x, const struct pr_list *list)
{
    const struct scsi_state *s = &x->lun->state;
    unsigned type = x->c->cdb[2] & 0x0f;
    enum scsi_sense bad = check_type(x);

    (void)list;
    if (s->pr_type != 0 && !scsi_pr_is_holder(s, x->c->initiator))
        return SENSE_CONFLICT;
    if (bad != SENSE_NONE)
        return bad;
    if (s->pr_type != 0)
        return s->pr_type == type ? SENSE_NONE : SENSE_CONFLICT;
    reserve_as(scsi_change(x), type, x->c->initiator);
    return SENSE_NONE;
}

/* @spec SPC-4 5.13.11.2 */
static enum scsi_sense pr_release(struct scsi_exec *x, const struct pr_list *list)
{
    (void)list;
    if (!scsi_pr_is_holder(&x->lun->state, x->c->initiator))
        return SENSE_NONE;
    if (x->c->cdb[2] != x->lun->state.pr_type) /* scope 0 and the type */
        return SENSE_INVALID_RELEASE;
    release_reservation(scsi_change(x), x->c->initiator);
    return SENSE_NONE;
}

/* @spec SPC-4 5.13.11.6 */
static enum scsi_sense pr_clear(struct scsi_exec *x, const struct pr_list *list)
{
    struct scsi_state *s = scsi_change(x);

    (void)list;
    notify_others(s, x->c->initiator, SCSI_PR_PREEMPTED);
    for (size_t i = 0; i < COUNT_OF(s->registrants); i++)
        s->registrants[i] = (struct scsi_registrant){0};
    end_reservation(s);
    s->pr_generation++;
    return SENSE_NONE;
}

static bool is_key_of_anybody(const struct scsi_state *s, uint64_t key)
{
    for (size_t i = 0; i < COUNT_OF(s->registrants); i++) {
        if (s->registrants[i].initiator != 0 && s->registrants[i].key == key)
            return true;
    }
    return false;
}

/* Is it the reservation that is preempted, and not only registrations? */
static bool preempts_reservation(const struct scsi_state *s, uint64_t key)
{
    if (s->pr_type == 0)
        return false;
    if (scsi_pr_is_all_registrants(s->pr_type))
        return key == 0;
    return s->registrants[scsi_pr_find(s, s->pr_holder)].key == key;
}

/* Remove who has the key (0: everybody), keep_me: but not who asks. */
static void remove_registrants(struct scsi_state *s, uint64_t key, uint64_t me, bool keep_me)
{
    for (size_t i = 0; i < COUNT_OF(s->registrants); i++) {
        struct scsi_registrant *r = &s->registrants[i];

        if (r->initiator == 0 || (key != 0 && r->key != key) || (keep_me && r->initiator == me))
            continue;
        if (r->initiator != me)
            notify(s, r->initiator, SCSI_PR_UNREGISTERED);
        *r = (struct scsi_registrant){0};
    }
}

static void take_reservation(struct scsi_exec *x, uint64_t key)
{
    struct scsi_state *s = scsi_change(x);
    unsigned type = x->c->cdb[2] & 0x0f;

    remove_registrants(s, key, x->c->initiator, true);
    if (s->pr_type != type)
        notify_others(s, x->c->initiator, SCSI_PR_RELEASED);
    reserve_as(s, type, x->c->initiator);
}

/*
 * @spec SPC-4 5.13.11.4. AND ABORT: what the others still have under way cannot be called back; the
 * caller ends it before it answers.
 */
static enum scsi_sense pr_preempt(struct scsi_exec *x, const struct pr_list *list)
{
    bool takes = preempts_reservation(&x->lun->state, list->action_key);
    struct scsi_state *s;
    enum scsi_sense bad;

    if (!takes && list->action_key == 0)
        return scsi_bad_list(x, 8, -1);
    if (!takes && !is_key_of_anybody(&x->lun->state, list->action_key))
        return SENSE_CONFLICT;
    bad = takes ? check_type(x) : SENSE_NONE;
    if (bad != SENSE_NONE)
        return bad;
    s = scsi_change(x);
    if (takes)
        take_reservation(x, list->action_key);
    else
        remove_registrants(s, list->action_key, x->c->initiator, false);
    if (!is_anybody_registered(s))
        end_reservation(s);
    s->pr_generation++;
    return SENSE_NONE;
}

typedef enum scsi_sense pr_out_handler(struct scsi_exec *x, const struct pr_list *list);

struct pr_out_row {
    pr_out_handler *run;
    bool registers; /* the others are for those who are registered, and know their key */
};

static const struct pr_out_row pr_out_rows[PR_OUT_ACTIONS] = {
    [PR_REGISTER] = {pr_register,            true },
    [PR_RESERVE] = {pr_reserve,             false},
    [PR_RELEASE] = {pr_release,             false},
    [PR_CLEAR] = {pr_clear,               false},
    [PR_PREEMPT] = {pr_preempt,             false},
    [PR_PREEMPT_AND_ABORT] = {pr_preempt,             false},
    [PR_REGISTER_AND_IGNORE] = {pr_register_and_ignore, true },
};

enum scsi_sense scsi_pr_out(struct scsi_exec *x)
{
    const struct scsi_state *state = &x->lun->state;
    int row = scsi_pr_find(state, x->c->initiator);
    unsigned action = x->c->cdb[1] & 0x1f;
    struct pr_list list;
    enum scsi_sense s;

    if (state->old_holder != 0)
        return SENSE_CONFLICT;
    if (action >= PR_OUT_ACTIONS)
        return scsi_bad_cdb(x, 1, 4);
    s = parse_list(x, &list);
    if (s != SENSE_NONE)
        return s;
    if (!pr_out_rows[action].registers && (row < 0 || state->registrants[row].key != list.key))
        return SENSE_CONFLICT;
    return pr_out_rows[action].run(x, &list);
}

/* --- RESERVE and RELEASE --- */

/* Third parties, and lists of extents or long identities. */
static enum scsi_sense check_old(struct scsi_exec *x)
{
    bool ten = x->c->cdb[0] == OP_RESERVE10 || x->c->cdb[0] == OP_RELEASE10;

    if ((x->c->cdb[1] & 0x10) != 0)
        return scsi_bad_cdb(x, 1, 4);
    if ((x->c->cdb[1] & (ten ? 3 : 1)) != 0)
        return scsi_bad_cdb(x, 1, ten ? 1 : 0);
    return SENSE_NONE;
}

enum scsi_sense scsi_reserve(struct scsi_exec *x)
{
    const struct scsi_state *s = &x->lun->state;
    enum scsi_sense bad = check_old(x);

    if (is_anybody_registered(s) || (s->old_holder != 0 && s->old_holder != x->c->initiator))
        return SENSE_CONFLICT;
    if (bad == SENSE_NONE && s->old_holder == 0)
        scsi_change(x)->old_holder = x->c->initiator;
    return bad;
}

enum scsi_sense scsi_release(struct scsi_exec *x)
{
    const struct scsi_state *s = &x->lun->state;
    enum scsi_sense bad = check_old(x);

    if (is_anybody_registered(s))
        return SENSE_CONFLICT;
    if (bad == SENSE_NONE && s->old_holder == x->c->initiator)
        scsi_change(x)->old_holder = 0;
    return bad;
}
