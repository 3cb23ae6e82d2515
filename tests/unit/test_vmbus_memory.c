#include "tests/fakes/vmbus.h"
#include "workers/vmbus/channel.h"

static struct vmbus_lab lab;
static struct vmbus_lab *const l = &lab;

static void setup(void)
{
    lab_init(l);
    lab_connect(l, 0xf);
}

enum {
    NET = 33, /* the first channel of a device that borrows */
};

static struct vmbus_memory memory_of(uint32_t id)
{
    struct vmbus_memory m;

    for (unsigned i = 0; i < VMBUS_MEMORIES; i++) {
        if (vmbus_memory_read(&l->shared, i, &m) && m.state != VMBUS_MEMORY_NONE && m.id == id)
            return m;
    }
    return (struct vmbus_memory){.state = VMBUS_MEMORY_NONE};
}

static void ack_memory(uint32_t id)
{
    struct vmbus_memory m;

    for (unsigned i = 0; i < VMBUS_MEMORIES; i++) {
        if (vmbus_memory_read(&l->shared, i, &m) && m.id == id)
            atomic_store(&l->acks.memories[i], m.epoch);
    }
    lab_look(l);
}

static void attach_net(struct vmbus *v)
{
    v->shared[PROCESS_NET] = &l->shared;
    v->acks[PROCESS_NET] = &l->acks;
}

/* A NIC with an open channel and a list of ten pages besides its rings. */
static void lend(void)
{
    attach_net(&l->v);
    lab_connect(l, 0x1f);
    lab_open(l, NET, 70);
    lab_gpadl(l, NET, 71, 10, 500);
    EXPECT(l, 10, NET, 71, 0);
}

START_TEST(a_device_that_borrows_sees_what_is_lent)
{
    struct vmbus_memory m;

    lend();
    m = memory_of(71);
    ck_assert_uint_eq(m.state, VMBUS_MEMORY_LENT);
    ck_assert_uint_eq(m.relid, NET);
    ck_assert_uint_eq(m.pages, 10);
    ck_assert_uint_eq(m.bytes, 10 * 4096);
    ck_assert_uint_eq(l->shared.pool[m.pool_at + 9], 509);
    ck_assert_uint_eq(memory_of(70).state,
                      VMBUS_MEMORY_LENT); /* its rings too: it does not ask for those */
}
END_TEST

START_TEST(lent_memory_comes_back_when_the_device_has_let_go)
{
    uint32_t epoch;

    lend();
    epoch = memory_of(71).epoch;
    ack_memory(71); /* that it is lent */
    SAY(l, 11, NET, 71);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(memory_of(71).state, VMBUS_MEMORY_WANTED);
    ck_assert_uint_ne(memory_of(71).epoch, epoch);
    lab_look(l);
    EXPECT_NOTHING(l);
    ack_memory(71);
    EXPECT(l, 12, 71);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(memory_of(71).state, VMBUS_MEMORY_NONE);
}
END_TEST

/* The name is used again: an acknowledgement of the old list is none of the new one. */
START_TEST(another_list_of_that_name_is_another)
{
    lend();
    SAY(l, 11, NET, 71);
    ack_memory(71);
    EXPECT(l, 12, 71);
    lab_gpadl(l, NET, 71, 3, 900);
    EXPECT(l, 10, NET, 71, 0);
    ck_assert_uint_eq(memory_of(71).pages, 3);
    SAY(l, 11, NET, 71);
    EXPECT_NOTHING(l);
    ack_memory(71);
    EXPECT(l, 12, 71);
}
END_TEST

START_TEST(a_device_that_is_closed_holds_nothing)
{
    lend();
    SAY(l, 7, NET);
    SAY(l, 11, NET, 71);
    EXPECT_NOTHING(l);
    lab_ack(l, NET, 0);
    EXPECT(l, 12, 71);
}
END_TEST

START_TEST(a_new_connection_lends_nothing)
{
    lend();
    lab_contact(l, 0x50003, 0);
    lab_ack(l, NET, 0);
    ck_assert_uint_eq(memory_of(71).state, VMBUS_MEMORY_NONE);
    ck_assert_uint_eq(memory_of(70).state, VMBUS_MEMORY_NONE);
}
END_TEST

/* It uses its rings and no more, so it is not waited for. */
START_TEST(a_device_that_does_not_borrow_is_not_asked)
{
    lab_open(l, 1, 70);
    lab_gpadl(l, 1, 71, 10, 500);
    EXPECT(l, 10, 1, 71, 0);
    SAY(l, 11, 1, 71);
    EXPECT(l, 12, 71);
    ck_assert_uint_eq(memory_of(71).state, VMBUS_MEMORY_NONE);
}
END_TEST

/* --- a guest that reads nothing --- */

/* The worker dies here: its successor takes what it has committed. */
static void succeed(void)
{
    static uint8_t bytes[VMBUS_STATE_MAX];
    static struct vmbus next;
    struct wr w = wr_over(bytes, sizeof(bytes));
    struct rd r;
    size_t len;

    vmbus_save(&l->v, &w);
    ck_assert_int_eq(wr_finish(&w, &len), 0);
    lab_attach(l, &next);
    attach_net(&next);
    r = rd_over(bytes, len);
    ck_assert_int_eq(vmbus_load(&next, &r, VMBUS_SCHEMA), 0);
    l->v = next;
}

/* So many messages that one step more is just taken. */
static void read_nothing(void)
{
    do {
        SAY(l, 22, 1, 0); /* closed: the answer is a message */
    } while (l->status == HV_SUCCESS);
    ck_assert_uint_eq(l->status, HV_INSUFFICIENT_BUFFERS);
    ck_assert_ptr_nonnull(lab_next(l));
}

/* A NIC that has lent all it may: its rings, the list of lend(), and thirty; and as many subchannels as there are. */
static void lend_all(void)
{
    lend();
    atomic_store(&l->acks.subchannels[4], UINT32_MAX);
    for (uint32_t id = 72; id < 70 + GPADLS_PER_CHANNEL; id++)
        lab_gpadl(l, NET, id, LAB_RING_PAGES, 600);
    while (lab_next(l) != NULL)
        continue;
}

/* The most that there is: all lists are given back, the subchannels go, and it is not opened again. */
START_TEST(all_that_a_close_says_has_room)
{
    const uint32_t last = 70 + GPADLS_PER_CHANNEL - 1;
    uint64_t tail;

    lend_all();
    read_nothing();
    tail = l->v.tail;
    SAY(l, 7, NET);
    SAY(l, 5, NET, 9, last, 0, LAB_DOWNSTREAM);
    for (uint32_t id = 70; id <= last; id++)
        SAY(l, 11, NET, id);
    ck_assert_uint_eq(l->v.tail, tail);
    lab_ack(l, NET, 0);
    ck_assert_uint_eq(l->v.tail, tail + GPADLS_PER_CHANNEL + VMBUS_SUBCHANNELS);
    ck_assert_uint_le(l->v.tail - atomic_load(&l->outbox.head), VMBUS_OUTBOX_ENTRIES);
    succeed();
}
END_TEST

/* The look ends between the close, which says too much for more, and the list of a subchannel that goes with it. */
START_TEST(a_list_that_waits_for_room_waits_for_a_successor_too)
{
    lend();
    atomic_store(&l->acks.subchannels[4], 1);
    lab_look(l);
    lab_expect_offer(l, NET + 1);
    lab_gpadl(l, NET + 1, 72, 3, 600);
    EXPECT(l, 10, NET + 1, 72, 0);
    read_nothing();
    SAY(l, 11, NET + 1, 72);
    SAY(l, 7, NET);
    lab_ack(l, NET, 0);
    ck_assert(vmbus_is_blocked(&l->v));
    succeed();
    ck_assert_uint_eq(gpadls_find(&l->v.gpadls, 72)->state, GPADL_TEARING);
    while (lab_next(l) != NULL)
        continue;
    lab_look(l);
    EXPECT(l, 12, 72);
    EXPECT_NOTHING(l);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmbus_memory");
    TCase *t = tcase_create("vmbus_memory");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_device_that_borrows_sees_what_is_lent);
    tcase_add_test(t, lent_memory_comes_back_when_the_device_has_let_go);
    tcase_add_test(t, another_list_of_that_name_is_another);
    tcase_add_test(t, a_device_that_is_closed_holds_nothing);
    tcase_add_test(t, a_new_connection_lends_nothing);
    tcase_add_test(t, a_device_that_does_not_borrow_is_not_asked);
    tcase_add_test(t, all_that_a_close_says_has_room);
    tcase_add_test(t, a_list_that_waits_for_room_waits_for_a_successor_too);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
