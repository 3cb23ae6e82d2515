/*
 * Persistent reservations against a model that knows initiators and no rows, and says what each may
 * do and must be told.
 */
#include "tests/unit/scsi_ask.h"

enum action {
    REGISTER = 0,
    RESERVE = 1,
    RELEASE = 2,
    CLEAR = 3,
    PREEMPT = 4,
    PREEMPT_AND_ABORT = 5,
    REGISTER_AND_IGNORE = 6,
};

enum {
    INITIATORS = SCSI_REGISTRANTS_MAX,
    KEYS = 4, /* few, so that they are shared */
    STEPS = 30000,
    LIST = 24,
};

static struct ask a;

static void setup(void)
{
    ask_disk(&a);
}

static void out(uint64_t who, enum action action, unsigned type, uint64_t key, uint64_t action_key)
{
    a.initiator = who;
    memset(a.out, 0, LIST);
    ask_put(&a, 0, 8, key);
    ask_put(&a, 8, 8, action_key);
    ASK_OUT(&a, LIST, 0x5f, (uint8_t)action, (uint8_t)type, 0, 0, 0, 0, 0, LIST);
}

/* By initiator, not by row; what is pending as qualifiers of 2Ah. */
struct model {
    uint64_t key[INITIATORS];
    bool pending[INITIATORS][6];
    unsigned type;
    int holder; /* -1: all registrants */
    uint32_t generation;
};

enum outcome {
    DONE,
    CONFLICT,
    REFUSED, /* any 5/xx */
};

static bool shared_by_all(unsigned type)
{
    return type == 7 || type == 8;
}

static bool model_holds(const struct model *m, int who)
{
    return m->type != 0 && (shared_by_all(m->type) ? m->key[who] != 0 : m->holder == who);
}

static void model_tell_others(struct model *m, int me, unsigned what)
{
    for (int i = 0; i < INITIATORS; i++)
        m->pending[i][what] |= i != me && m->key[i] != 0;
}

static void model_settle(struct model *m)
{
    bool anybody = false;

    for (int i = 0; i < INITIATORS; i++)
        anybody |= m->key[i] != 0;
    if (!anybody)
        m->type = 0;
}

static enum outcome model_register(struct model *m, int me, bool ignore, uint64_t key, uint64_t new)
{
    if (!ignore && key != m->key[me])
        return CONFLICT;
    if (new == 0 && m->key[me] == 0)
        return DONE;
    if (new == 0 && m->type != 0 && !shared_by_all(m->type) && m->holder == me) {
        if (m->type >= 5)
            model_tell_others(m, me, 4);
        m->type = 0;
    }
    m->key[me] = new;
    m->generation++;
    model_settle(m);
    return DONE;
}

static bool known(unsigned type)
{
    return type == 1 || type == 3 || (type >= 5 && type <= 8);
}

static enum outcome model_reserve(struct model *m, int me, unsigned type)
{
    if (m->type != 0 && !model_holds(m, me))
        return CONFLICT;
    if (!known(type))
        return REFUSED;
    if (m->type != 0)
        return m->type == type ? DONE : CONFLICT;
    m->type = type;
    m->holder = shared_by_all(type) ? -1 : me;
    return DONE;
}

static enum outcome model_release(struct model *m, int me, unsigned type)
{
    if (!model_holds(m, me))
        return DONE;
    if (type != m->type)
        return REFUSED;
    if (type >= 5)
        model_tell_others(m, me, 4);
    m->type = 0;
    return DONE;
}

static enum outcome model_clear(struct model *m, int me)
{
    model_tell_others(m, me, 3);
    memset(m->key, 0, sizeof(m->key));
    m->type = 0;
    m->generation++;
    return DONE;
}

static void model_remove(struct model *m, int me, uint64_t key, bool spare_me)
{
    for (int i = 0; i < INITIATORS; i++) {
        if (m->key[i] == 0 || (key != 0 && m->key[i] != key) || (i == me && spare_me))
            continue;
        m->pending[i][5] |= i != me;
        m->key[i] = 0;
    }
}

static enum outcome model_preempt(struct model *m, int me, unsigned type, uint64_t victim)
{
    bool reservation =
        m->type != 0 && (shared_by_all(m->type) ? victim == 0 : m->key[m->holder] == victim);
    bool anybody = false;

    if (!reservation && victim == 0)
        return REFUSED;
    for (int i = 0; i < INITIATORS; i++)
        anybody |= m->key[i] == victim;
    if (!reservation && !anybody)
        return CONFLICT;
    if (reservation && !known(type))
        return REFUSED;
    model_remove(m, me, victim, reservation);
    if (reservation) {
        if (m->type != type)
            model_tell_others(m, me, 4);
        m->type = type;
        m->holder = shared_by_all(type) ? -1 : me;
    }
    m->generation++;
    model_settle(m);
    return DONE;
}

static enum outcome model_out(struct model *m, int me, enum action action, unsigned type,
                              uint64_t key, uint64_t action_key)
{
    if (action == REGISTER || action == REGISTER_AND_IGNORE)
        return model_register(m, me, action == REGISTER_AND_IGNORE, key, action_key);
    if (m->key[me] == 0 || m->key[me] != key)
        return CONFLICT;
    if (action == RESERVE)
        return model_reserve(m, me, type);
    if (action == RELEASE)
        return model_release(m, me, type);
    if (action == CLEAR)
        return model_clear(m, me);
    return model_preempt(m, me, type, action_key);
}

/* The qualifier that is told next, or 0. */
static unsigned model_take_pending(struct model *m, int me)
{
    for (unsigned what = 3; what <= 5; what++) {
        if (m->pending[me][what]) {
            m->pending[me][what] = false;
            return what;
        }
    }
    return 0;
}

static bool model_may(const struct model *m, int who, bool write)
{
    if (m->type == 0 || model_holds(m, who) || (m->type >= 5 && m->key[who] != 0))
        return true;
    return !write && (m->type == 1 || m->type == 5 || m->type == 7);
}

static void check_outcome(enum outcome expected)
{
    if (expected == DONE)
        ask_is_good(&a);
    else if (expected == CONFLICT)
        ask_is_conflict(&a);
    else
        ck_assert_uint_eq(a.answer.sense[2], 5);
}

static void step_out(struct model *m, int me)
{
    enum action action = (enum action)(random() % 7);
    unsigned type = (unsigned)random() % 9;
    uint64_t action_key = (uint64_t)random() % (KEYS + 1);
    uint64_t key = random() % 8 == 0 ? (uint64_t)random() % (KEYS + 1) : m->key[me];
    unsigned told = model_take_pending(m, me);

    if (random() % 2 == 0 && m->type != 0)
        type = m->type;
    if (action == CLEAR && random() % 4 != 0)
        action = REGISTER; /* else there is seldom much to look at */
    out((uint64_t)me + 1, action, type, key, action_key);
    if (told != 0)
        ask_fails(&a, 6, 0x2a, told);
    else
        check_outcome(model_out(m, me, action, type, key, action_key));
}

static void step_access(struct model *m, int me)
{
    bool write = random() % 2 == 0;
    unsigned told;

    a.initiator = (uint64_t)me + 1;
    if (write)
        ASK_OUT(&a, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
    else
        ASK_IN(&a, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
    if (!model_may(m, me, write)) {
        ask_is_conflict(&a);
        return;
    }
    told = model_take_pending(m, me);
    if (told != 0)
        ask_fails(&a, 6, 0x2a, told);
    else
        ask_moves(&a, write ? SCSI_IO_WRITE : SCSI_IO_READ, 0, 512);
}

static uint64_t key_of(const struct scsi_state *s, int who)
{
    for (size_t i = 0; i < COUNT_OF(s->registrants); i++) {
        if (s->registrants[i].initiator == (uint64_t)who + 1)
            return s->registrants[i].key;
    }
    return 0;
}

static void check_state(const struct model *m)
{
    const struct scsi_state *s = &a.lun.state;
    bool same = s->pr_type == m->type && s->pr_generation == m->generation;

    if (m->type != 0)
        same &= s->pr_holder == (shared_by_all(m->type) ? 0 : (uint64_t)m->holder + 1);
    for (int who = 0; who < INITIATORS; who++)
        same &= key_of(s, who) == m->key[who];
    ck_assert(same);
}

static void successor(void)
{
    uint8_t bytes[SCSI_STATE_BYTES];
    struct wr w = wr_over(bytes, sizeof(bytes));
    struct rd r = rd_over(bytes, sizeof(bytes));

    scsi_state_save(&a.lun.state, &w);
    memset(&a.lun.state, 0xdd, sizeof(a.lun.state));
    ck_assert_int_eq(scsi_state_load(&r, &a.lun.state), 0);
}

START_TEST(initiators_see_what_the_model_says)
{
    struct model m = {0};

    srandom(20261125);
    for (unsigned i = 0; i < STEPS; i++) {
        int me = (int)(random() % INITIATORS);

        if (random() % 3 == 0)
            step_access(&m, me);
        else
            step_out(&m, me);
        check_state(&m);
        if (i % 16 == 0)
            successor();
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scsi_pr_model");
    TCase *t = tcase_create("scsi_pr_model");

    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, initiators_see_what_the_model_says);
    suite_add_tcase(s, t);
    return ask_run(s);
}
