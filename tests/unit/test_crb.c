#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/crb.h"

enum {
    LOCALITY_1 = CRB_PAGE_BYTES,
    ROUNDS = 3000,
    WRITES = 100000,
};

static struct crb c;

static void setup(void)
{
    c = (struct crb){0};
}

static unsigned put(uint32_t offset, uint32_t value)
{
    return crb_write(&c, offset, 4, value);
}

static uint32_t get(uint32_t offset)
{
    return (uint32_t)crb_read(&c, offset, 4);
}

static void get_ready(void)
{
    ck_assert_uint_eq(put(CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST), CRB_CHANGED);
    ck_assert_uint_eq(put(CRB_CTRL_REQ, CRB_REQ_CMD_READY), CRB_CHANGED);
}

static void get_running(void)
{
    get_ready();
    ck_assert_uint_eq(put(CRB_CTRL_START, 1), CRB_CHANGED | CRB_STARTED);
}

START_TEST(a_fresh_interface_is_what_drivers_look_for)
{
    uint64_t id = crb_read(&c, CRB_INTF_ID, 8);

    ck_assert_uint_eq(id & 0xf, 1);      /* CRB, not FIFO */
    ck_assert_uint_eq(id >> 4 & 0xf, 1); /* its version */
    ck_assert_uint_eq(id >> 14 & 1, 1);  /* CRB supported */
    ck_assert_uint_eq(id >> 17 & 3, 1);  /* CRB selected */
    ck_assert_uint_eq(id >> 32, 0x1014);
    ck_assert_uint_eq(get(CRB_LOC_STATE), CRB_LOC_STATE_VALID | CRB_LOC_STATE_ESTABLISHED);
    ck_assert_uint_eq(get(CRB_CTRL_STS), CRB_STS_IDLE);
    ck_assert_uint_eq(get(CRB_CMD_SIZE), 4096);
    ck_assert_uint_eq(get(CRB_RSP_SIZE), 4096);
    ck_assert_uint_eq(get(CRB_CMD_LADDR), 0xfed45000);
    ck_assert_uint_eq(get(CRB_CMD_HADDR), 0);
    ck_assert_uint_eq(crb_read(&c, CRB_RSP_ADDR, 8), 0xfed45000);
    ck_assert_uint_eq(crb_pack(&c), 0);
}
END_TEST

START_TEST(linux_sends_a_command)
{
    get_ready();
    ck_assert_uint_eq(get(CRB_LOC_STATE) & CRB_LOC_STATE_ASSIGNED, CRB_LOC_STATE_ASSIGNED);
    ck_assert_uint_eq(get(CRB_LOC_STS), CRB_LOC_STS_GRANTED);
    ck_assert_uint_eq(get(CRB_CTRL_REQ), 0);
    ck_assert_uint_eq(get(CRB_CTRL_STS), 0);
    ck_assert_uint_eq(put(CRB_CTRL_CANCEL, 0), 0);
    ck_assert_uint_eq(put(CRB_CTRL_START, 1), CRB_CHANGED | CRB_STARTED);
    ck_assert_uint_eq(get(CRB_CTRL_START), 1);
    ck_assert(crb_finish(&c));
    ck_assert_uint_eq(get(CRB_CTRL_START), 0);
    ck_assert_uint_eq(put(CRB_CTRL_REQ, CRB_REQ_GO_IDLE), CRB_CHANGED);
    ck_assert_uint_eq(get(CRB_CTRL_STS), CRB_STS_IDLE);
    ck_assert_uint_eq(put(CRB_LOC_CTRL, CRB_LOC_CTRL_RELINQUISH), CRB_CHANGED);
    ck_assert_uint_eq(crb_pack(&c), 0);
}
END_TEST

START_TEST(start_is_refused_unless_ready)
{
    ck_assert_uint_eq(put(CRB_CTRL_START, 1), CRB_REFUSED); /* no locality */
    (void)put(CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST);
    ck_assert_uint_eq(put(CRB_CTRL_START, 1), CRB_REFUSED); /* idle */
    (void)put(CRB_CTRL_REQ, CRB_REQ_CMD_READY);
    ck_assert_uint_eq(put(CRB_CTRL_START, 0), 0);
    ck_assert_uint_eq(put(LOCALITY_1 + CRB_CTRL_START, 1), CRB_REFUSED); /* another's page */
    ck_assert_uint_eq(put(CRB_CTRL_START, 1), CRB_CHANGED | CRB_STARTED);
    ck_assert_uint_eq(put(CRB_CTRL_START, 1), CRB_REFUSED); /* already */
    ck_assert(crb_finish(&c));
    ck_assert_uint_eq(put(CRB_CTRL_REQ, CRB_REQ_CMD_READY), CRB_CHANGED); /* idle bypass */
    ck_assert_uint_eq(put(CRB_CTRL_START, 1), CRB_CHANGED | CRB_STARTED);
}
END_TEST

/* As Linux does while it starts: the TPM stays ready from the first command to the last. */
START_TEST(a_series_needs_no_command_ready_between)
{
    get_ready();
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(put(CRB_CTRL_START, 1), CRB_CHANGED | CRB_STARTED);
        ck_assert(crb_finish(&c));
    }
}
END_TEST

START_TEST(every_write_but_start_may_come_twice)
{
    static const struct {
        uint32_t offset, value;
    } writes[] = {
        {CRB_LOC_CTRL,                  CRB_LOC_CTRL_REQUEST   },
        {CRB_CTRL_REQ,                  CRB_REQ_CMD_READY      },
        {CRB_CTRL_CANCEL,               1                      },
        {CRB_CTRL_CANCEL,               0                      },
        {LOCALITY_1 + CRB_LOC_CTRL,     CRB_LOC_CTRL_REQUEST   },
        {CRB_CTRL_REQ,                  CRB_REQ_GO_IDLE        },
        {CRB_LOC_CTRL,                  CRB_LOC_CTRL_RELINQUISH},
        {2 * LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_SEIZE     },
        {2 * LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_RELINQUISH},
    };

    for (size_t i = 0; i < COUNT_OF(writes); i++) {
        uint32_t once;

        ck_assert_uint_eq(put(writes[i].offset, writes[i].value) & CRB_CHANGED, CRB_CHANGED);
        once = crb_pack(&c);
        ck_assert_uint_eq(put(writes[i].offset, writes[i].value) & CRB_CHANGED, 0);
        ck_assert_uint_eq(crb_pack(&c), once);
    }
}
END_TEST

START_TEST(cancel_is_a_level)
{
    get_ready();
    ck_assert_uint_eq(put(CRB_CTRL_CANCEL, 1), CRB_CHANGED); /* nothing runs */
    ck_assert_uint_eq(get(CRB_CTRL_CANCEL), 1);
    ck_assert_uint_eq(put(CRB_CTRL_CANCEL, 0), CRB_CHANGED);
    (void)put(CRB_CTRL_START, 1);
    ck_assert_uint_eq(put(CRB_CTRL_CANCEL, 1), CRB_CHANGED | CRB_CANCELLED);
    ck_assert_uint_eq(put(CRB_CTRL_CANCEL, 1), CRB_CANCELLED); /* insisting helps */
    ck_assert(crb_finish(&c));
    ck_assert_uint_eq(get(CRB_CTRL_CANCEL), 1);
}
END_TEST

START_TEST(idle_while_running_gives_the_command_up)
{
    get_running();
    ck_assert_uint_eq(put(CRB_CTRL_REQ, CRB_REQ_GO_IDLE), CRB_CHANGED | CRB_CANCELLED);
    ck_assert_uint_eq(get(CRB_CTRL_REQ), CRB_REQ_GO_IDLE); /* not yet */
    ck_assert_uint_eq(get(CRB_CTRL_START), 1);
    ck_assert_uint_eq(put(CRB_CTRL_START, 1), CRB_REFUSED);
    ck_assert(!crb_finish(&c));
    ck_assert_uint_eq(get(CRB_CTRL_REQ), 0);
    ck_assert_uint_eq(get(CRB_CTRL_STS), CRB_STS_IDLE);
    ck_assert_uint_eq(get(CRB_CTRL_START), 0);
}
END_TEST

START_TEST(ready_after_idle_while_running_waits_for_the_end)
{
    get_running();
    (void)put(CRB_CTRL_REQ, CRB_REQ_GO_IDLE);
    ck_assert_uint_eq(put(CRB_CTRL_REQ, CRB_REQ_CMD_READY), CRB_CHANGED | CRB_CANCELLED);
    ck_assert(!crb_finish(&c));
    ck_assert_uint_eq(get(CRB_CTRL_REQ), 0);
    ck_assert_uint_eq(get(CRB_CTRL_STS), 0);
    ck_assert_uint_eq(put(CRB_CTRL_START, 1), CRB_CHANGED | CRB_STARTED);
}
END_TEST

START_TEST(localities_wait_for_each_other)
{
    (void)put(CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST);
    ck_assert_uint_eq(put(LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST), CRB_CHANGED);
    ck_assert_uint_eq(put(3 * LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST), CRB_CHANGED);
    ck_assert_uint_eq(get(LOCALITY_1 + CRB_LOC_STS), 0);
    ck_assert_uint_eq(put(LOCALITY_1 + CRB_CTRL_REQ, CRB_REQ_CMD_READY), CRB_REFUSED);
    (void)put(CRB_LOC_CTRL, CRB_LOC_CTRL_RELINQUISH);
    ck_assert_uint_eq(get(3 * LOCALITY_1 + CRB_LOC_STS), CRB_LOC_STS_GRANTED);
    ck_assert_uint_eq(get(CRB_LOC_STATE) >> CRB_LOC_STATE_ACTIVE_SHIFT & 7, 3);
    (void)put(LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_RELINQUISH); /* no longer waits */
    (void)put(3 * LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_RELINQUISH);
    ck_assert_uint_eq(get(CRB_LOC_STATE) & CRB_LOC_STATE_ASSIGNED, 0);
}
END_TEST

START_TEST(a_higher_locality_seizes_and_a_lower_does_not)
{
    (void)put(LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST);
    ck_assert_uint_eq(put(CRB_LOC_CTRL, CRB_LOC_CTRL_SEIZE), CRB_REFUSED);
    ck_assert_uint_eq(put(2 * LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_SEIZE), CRB_CHANGED);
    ck_assert_uint_eq(get(LOCALITY_1 + CRB_LOC_STS), CRB_LOC_STS_SEIZED);
    ck_assert_uint_eq(get(2 * LOCALITY_1 + CRB_LOC_STS), CRB_LOC_STS_GRANTED);
}
END_TEST

START_TEST(seizing_gives_the_running_command_up)
{
    get_running();
    ck_assert_uint_eq(put(LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_SEIZE),
                      CRB_CHANGED | CRB_CANCELLED);
    ck_assert(!crb_finish(&c));
    ck_assert_uint_eq(get(CRB_CTRL_STS), CRB_STS_IDLE);
}
END_TEST

START_TEST(locality_4_is_for_nobody)
{
    ck_assert_uint_eq(put(4 * LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST), CRB_REFUSED);
    ck_assert_uint_eq(put(4 * LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_SEIZE), CRB_REFUSED);
    ck_assert_uint_eq(crb_pack(&c), 0);
}
END_TEST

START_TEST(odd_writes_change_nothing)
{
    get_ready();
    ck_assert_uint_eq(crb_write(&c, CRB_CTRL_START, 1, 1), CRB_REFUSED);
    ck_assert_uint_eq(crb_write(&c, CRB_CTRL_START + 2, 4, 0x10000), CRB_REFUSED);
    ck_assert_uint_eq(crb_write(&c, CRB_BYTES, 4, 1), CRB_REFUSED);
    ck_assert_uint_eq(put(CRB_CTRL_REQ, CRB_REQ_CMD_READY | CRB_REQ_GO_IDLE), CRB_REFUSED);
    ck_assert_uint_eq(put(CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST | CRB_LOC_CTRL_SEIZE), CRB_REFUSED);
    ck_assert_uint_eq(put(CRB_CMD_LADDR, 0x1000), CRB_REFUSED);
    ck_assert_uint_eq(put(CRB_INT_ENABLE, 0xffffffff), 0);
    ck_assert_uint_eq(get(CRB_INT_ENABLE), 0);
    ck_assert_int_eq((int)c.state, CRB_READY);
}
END_TEST

START_TEST(a_wide_write_is_two_registers)
{
    get_ready();
    ck_assert_uint_eq(crb_write(&c, CRB_CTRL_CANCEL, 8, UINT64_C(1) << 32),
                      CRB_CHANGED | CRB_STARTED);
    ck_assert_int_eq((int)c.state, CRB_RUNNING);
    ck_assert(!c.cancel);
    ck_assert_uint_eq(crb_write(&c, CRB_BYTES - 4, 8, 0), CRB_REFUSED);
}
END_TEST

START_TEST(any_width_reads_the_same_bytes)
{
    get_ready();
    for (uint32_t at = 0; at < CRB_BYTES - 8; at++) {
        uint64_t wide = crb_read(&c, at, 8);

        for (unsigned i = 0; i < 8; i++)
            ck_assert_uint_eq(crb_read(&c, at + i, 1), wide >> 8 * i & 0xff);
        if (at % CRB_PAGE_BYTES == 0x70)
            at += CRB_PAGE_BYTES - 0x80;
    }
    ck_assert_uint_eq(crb_read(&c, CRB_BYTES - 1, 8), 0);
}
END_TEST

START_TEST(the_published_page_is_what_reads_say)
{
    static struct crb_shared shared;

    get_running();
    (void)put(LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST);
    crb_shared_publish(&shared, 1, &c);
    for (uint32_t at = 0; at < CRB_BYTES; at += 4)
        ck_assert_uint_eq(atomic_load(&shared.registers[at / 4]), get(at));
}
END_TEST

START_TEST(shared_state_comes_back_with_its_epoch)
{
    static struct crb_shared shared;
    struct crb back = {0};
    uint32_t epoch = 0;

    get_running();
    crb_shared_publish(&shared, 0xfffffff7, &c);
    ck_assert_int_eq(crb_shared_load(&shared, &epoch, &back), 0);
    ck_assert_uint_eq(epoch, 0xfffffff7);
    ck_assert_uint_eq(crb_pack(&back), crb_pack(&c));
}
END_TEST

START_TEST(shared_nonsense_is_refused_and_leaves_outputs)
{
    static struct crb_shared shared;
    struct crb back = {.requested = 5};
    uint32_t epoch = 7;

    atomic_store(&shared.state, UINT64_C(0x100000000) | 0xffffffff);
    ck_assert_int_eq(crb_shared_load(&shared, &epoch, &back), -EBADMSG);
    ck_assert_uint_eq(epoch, 7);
    ck_assert_uint_eq(back.requested, 5);
    crb_shared_refresh(&shared);
    ck_assert_uint_eq(atomic_load(&shared.registers[CRB_INTF_ID / 4]), 0);
}
END_TEST

/* Whoever died after the state and before the registers is followed by this. */
START_TEST(a_refresh_shows_the_state)
{
    static struct crb_shared shared;

    get_running();
    crb_shared_publish(&shared, 1, &c);
    ck_assert(crb_finish(&c));
    atomic_store(&shared.state, UINT64_C(2) << 32 | crb_pack(&c));
    ck_assert_uint_eq(atomic_load(&shared.registers[CRB_CTRL_START / 4]), 1);
    crb_shared_refresh(&shared);
    ck_assert_uint_eq(atomic_load(&shared.registers[CRB_CTRL_START / 4]), 0);
}
END_TEST

/* Two publishers at the same moment, as often as it takes: whose state stands, his registers do. */
struct publisher {
    struct crb_shared *shared;
    struct crb c;
    _Atomic unsigned *arrived;
};

static void meet(_Atomic unsigned *arrived, unsigned round)
{
    atomic_fetch_add(arrived, 1);
    while (atomic_load(arrived) < 2 * round)
        (void)sched_yield();
}

static void *publish_rounds(void *arg)
{
    struct publisher *p = arg;

    for (unsigned round = 1; round <= 2 * ROUNDS; round += 2) {
        meet(p->arrived, round);
        crb_shared_publish(p->shared, round, &p->c);
        meet(p->arrived, round + 1);
    }
    return NULL;
}

START_TEST(two_publishers_leave_one_state)
{
    static struct crb_shared shared;
    _Atomic unsigned arrived = 0;
    struct publisher one = {
        &shared, {.assigned = true, .state = CRB_DONE},
         &arrived
    };
    struct publisher other = {&shared, {0}, &arrived};
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, publish_rounds, &other), 0);
    for (unsigned round = 1; round <= 2 * ROUNDS; round += 2) {
        struct crb now;
        uint32_t epoch;

        meet(&arrived, round);
        crb_shared_publish(&shared, round, &one.c);
        meet(&arrived, round + 1);
        ck_assert_int_eq(crb_shared_load(&shared, &epoch, &now), 0);
        for (uint32_t at = 0; at < 0x70; at += 4)
            ck_assert_uint_eq(atomic_load(&shared.registers[at / 4]), crb_read(&now, at, 4));
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(packed_state_comes_back)
{
    struct crb back;

    get_running();
    (void)put(LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_SEIZE);
    (void)put(2 * LOCALITY_1 + CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST);
    (void)put(LOCALITY_1 + CRB_CTRL_CANCEL, 1);
    ck_assert_int_eq(crb_unpack(crb_pack(&c), &back), 0);
    ck_assert_uint_eq(crb_pack(&back), crb_pack(&c));
    ck_assert_int_eq((int)back.state, (int)c.state);
    ck_assert_uint_eq(back.active, 1);
    ck_assert_uint_eq(back.requested, 4);
    ck_assert_uint_eq(back.seized, 1);
    ck_assert(back.cancel);
    ck_assert_uint_eq(back.todo, CRB_REQ_GO_IDLE);
}
END_TEST

START_TEST(packed_nonsense_is_refused)
{
    struct crb back = {.active = 77};

    ck_assert_int_eq(crb_unpack(1u << 16, &back), -EBADMSG);             /* unknown bits */
    ck_assert_int_eq(crb_unpack(1u << 3, &back), -EBADMSG);              /* active, not assigned */
    ck_assert_int_eq(crb_unpack(1u << 14 | CRB_READY, &back), -EBADMSG); /* waits for nothing */
    ck_assert_uint_eq(back.active, 77);
}
END_TEST

struct refresher {
    struct crb_shared *shared;
    atomic_uint done; /* refreshes */
    atomic_bool over;
};

static void *refresh_on(void *arg)
{
    struct refresher *r = arg;

    while (!atomic_load(&r->over)) {
        crb_shared_refresh(r->shared);
        atomic_fetch_add(&r->done, 1);
        (void)sched_yield();
    }
    return NULL;
}

/*
 * A successor shows the state while the guest writes: what the guest was shown is not taken back. No refresh here
 * sees the register change twice, which is more than it promises to withstand.
 */
START_TEST(a_refresh_never_undoes_a_write)
{
    static struct crb_shared shared;
    static struct refresher other = {.shared = &shared};
    unsigned undone = 0;
    pthread_t thread;

    crb_shared_publish(&shared, 1, &c);
    ck_assert_int_eq(pthread_create(&thread, NULL, refresh_on, &other), 0);
    for (unsigned i = 0; i < WRITES; i++) {
        unsigned done;

        c.cancel = i % 2 == 0;
        crb_shared_publish(&shared, i + 2, &c);
        done = atomic_load(&other.done);
        do {
            undone += atomic_load(&shared.registers[CRB_CTRL_CANCEL / 4]) != (uint32_t)c.cancel;
            (void)sched_yield();
        } while (atomic_load(&other.done) == done);
    }
    atomic_store(&other.over, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(undone, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("crb");
    TCase *t = tcase_create("crb");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_fresh_interface_is_what_drivers_look_for);
    tcase_add_test(t, linux_sends_a_command);
    tcase_add_test(t, start_is_refused_unless_ready);
    tcase_add_test(t, a_series_needs_no_command_ready_between);
    tcase_add_test(t, every_write_but_start_may_come_twice);
    tcase_add_test(t, cancel_is_a_level);
    tcase_add_test(t, idle_while_running_gives_the_command_up);
    tcase_add_test(t, ready_after_idle_while_running_waits_for_the_end);
    tcase_add_test(t, localities_wait_for_each_other);
    tcase_add_test(t, a_higher_locality_seizes_and_a_lower_does_not);
    tcase_add_test(t, seizing_gives_the_running_command_up);
    tcase_add_test(t, locality_4_is_for_nobody);
    tcase_add_test(t, odd_writes_change_nothing);
    tcase_add_test(t, a_wide_write_is_two_registers);
    tcase_add_test(t, any_width_reads_the_same_bytes);
    tcase_add_test(t, the_published_page_is_what_reads_say);
    tcase_add_test(t, shared_state_comes_back_with_its_epoch);
    tcase_add_test(t, shared_nonsense_is_refused_and_leaves_outputs);
    tcase_add_test(t, a_refresh_shows_the_state);
    tcase_add_test(t, two_publishers_leave_one_state);
    tcase_add_test(t, a_refresh_never_undoes_a_write);
    tcase_add_test(t, packed_state_comes_back);
    tcase_add_test(t, packed_nonsense_is_refused);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
