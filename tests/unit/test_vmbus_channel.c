#include "tests/fakes/vmbus.h"

static struct vmbus_lab lab;
static struct vmbus_lab *const l = &lab;

static const uint32_t never = UINT32_MAX;

static void setup(void)
{
    lab_init(l);
    lab_connect(l, 0xf);
}

static uint32_t state_of(uint32_t relid)
{
    return l->v.channels[vmbus_index(relid)].state;
}

static void want_subchannels(unsigned device, uint32_t n)
{
    atomic_store(&l->acks.subchannels[device], n);
    lab_look(l);
}

/* --- open and close --- */

START_TEST(the_worker_learns_what_to_open)
{
    struct vmbus_channel e;

    lab_gpadl(l, 9, 70, LAB_RING_PAGES, 5000);
    lab_gpadl(l, 1, 71, LAB_RING_PAGES, 6000);
    EXPECT(l, 10, 9, 70, 0);
    EXPECT(l, 10, 1, 71, 0);
    ck_assert_uint_eq(lab_entry(l, 1).epoch, 0);
    lab_say_open(l, 1, 71);
    e = lab_entry(l, 1);
    ck_assert_uint_eq(e.open, 1);
    ck_assert_uint_eq(e.epoch, 1);
    ck_assert_uint_eq(e.opening, 1);
    ck_assert_uint_eq(e.target_vp, 1);
    ck_assert_uint_eq(e.pages, LAB_RING_PAGES);
    ck_assert_uint_eq(e.downstream, LAB_DOWNSTREAM);
    ck_assert_uint_eq(e.pool_at, LAB_RING_PAGES);
    ck_assert_uint_eq(l->shared.pool[e.pool_at], 6000);
    EXPECT_NOTHING(l); /* until it has opened it */
    lab_ack(l, 1, 0);
    EXPECT(l, 6, 1, 101, 0);
    lab_look(l);
    ck_assert(!l->changed);
    EXPECT_NOTHING(l);
}
END_TEST

START_TEST(an_old_acknowledgement_opens_nothing)
{
    lab_open(l, 1, 70);
    SAY(l, 7, 1);
    lab_look(l); /* the acknowledgement is still that of the opening */
    ck_assert_uint_eq(state_of(1), CHANNEL_CLOSING);
    lab_ack(l, 1, 0);
    ck_assert_uint_eq(state_of(1), CHANNEL_OFFERED);
    lab_say_open(l, 1, 70);
    lab_look(l); /* and now that of the closing */
    ck_assert_uint_eq(state_of(1), CHANNEL_OPENING);
    ck_assert_uint_eq(lab_entry(l, 1).opening, 2);
    EXPECT_NOTHING(l);
    atomic_store(&l->acks.channels[0].epoch, lab_entry(l, 1).epoch + 1);
    lab_look(l); /* nor one of the future */
    EXPECT_NOTHING(l);
}
END_TEST

static void refuse_open(uint32_t relid, uint32_t gpadl, uint32_t vp, uint32_t downstream)
{
    SAY(l, 5, relid, 9, gpadl, vp, downstream);
    EXPECT(l, 6, relid, 9, unsuccessful);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(lab_entry(l, relid).epoch, 0);
}

START_TEST(rings_are_checked)
{
    lab_gpadl(l, 1, 70, LAB_RING_PAGES, 0);
    lab_gpadl(l, 9, 71, LAB_RING_PAGES, 0);
    lab_gpadl(l, 1, 72, 3, 0);
    lab_gpadl(l, 1, 73, VMBUS_RING_PAGES_MAX + 1, 0);
    lab_header(l, 1, 74, 30, 0, 26); /* not whole yet */
    SAY(l, 8, 1, 75, 40 | 1 << 16, 4 * 4096 - 1, 0, 1, 0, 2, 0, 3, 0, 4, 0);
    SAY(l, 8, 1, 76, 48 | 1 << 16, 4 * 4096, 16, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0);
    while (lab_next(l) != NULL)
        continue;
    refuse_open(1, 71, 0, 4); /* another channel's */
    refuse_open(1, 99, 0, 4); /* nobody's */
    refuse_open(1, 70, 0, 0);
    refuse_open(1, 70, 0, 1);
    refuse_open(1, 70, 0, 7);
    refuse_open(1, 70, 0, 8);
    refuse_open(1, 70, 0, 9);
    refuse_open(1, 70, 0, UINT32_MAX);
    refuse_open(1, 70, LAB_VPS, 4);
    refuse_open(1, 70, UINT32_MAX - 1, 4);
    refuse_open(1, 72, 0, 2);
    refuse_open(1, 73, 0, 4);
    refuse_open(1, 74, 0, 4);
    refuse_open(1, 75, 0, 2); /* not whole pages */
    refuse_open(1, 76, 0, 2); /* not from the start of a page */
    SAY(l, 5, 1, 9, 70, LAB_VPS - 1, 4);
    ck_assert_uint_eq(state_of(1), CHANNEL_OPENING);
}
END_TEST

START_TEST(a_channel_may_have_no_interrupt)
{
    lab_gpadl(l, 1, 70, LAB_RING_PAGES, 0);
    EXPECT(l, 10, 1, 70, 0);
    SAY(l, 5, 1, 9, 70, never, 2);
    ck_assert_uint_eq(lab_entry(l, 1).target_vp, never);
}
END_TEST

START_TEST(the_largest_rings)
{
    lab_gpadl(l, 1, 70, VMBUS_RING_PAGES_MAX, 0);
    EXPECT(l, 10, 1, 70, 0);
    SAY(l, 5, 1, 9, 70, 0, VMBUS_RING_PAGES_MAX - 2);
    ck_assert_uint_eq(state_of(1), CHANNEL_OPENING);
}
END_TEST

START_TEST(it_is_open_once)
{
    lab_gpadl(l, 1, 70, LAB_RING_PAGES, 0);
    EXPECT(l, 10, 1, 70, 0);
    lab_say_open(l, 1, 70);
    SAY(l, 5, 1, 9, 70, 0, 2);
    EXPECT(l, 6, 1, 9, unsuccessful);
    lab_ack(l, 1, 0);
    EXPECT(l, 6, 1, 101, 0);
    SAY(l, 5, 1, 9, 70, 0, 2);
    EXPECT(l, 6, 1, 9, unsuccessful);
    ck_assert_uint_eq(lab_entry(l, 1).epoch, 1);
    ck_assert_uint_eq(lab_entry(l, 1).downstream, LAB_DOWNSTREAM);
}
END_TEST

START_TEST(relids_that_do_not_exist)
{
    static const uint32_t relids[] = {0, 65, 2048, UINT32_MAX};

    for (size_t i = 0; i < COUNT_OF(relids); i++) {
        lab_say_open(l, relids[i], 70);
        SAY(l, 7, relids[i]);
        SAY(l, 13, relids[i]);
        SAY(l, 22, relids[i], 0);
        SAY(l, 11, relids[i], 70);
        ck_assert(!l->changed);
        EXPECT_NOTHING(l);
    }
    SAY(l, 7, 64);
    SAY(l, 13, 64);
    EXPECT_NOTHING(l);
}
END_TEST

/* As Linux closes: it waits for the end of the teardown, then frees the pages. */
START_TEST(memory_comes_back_when_the_worker_has_let_go)
{
    lab_open(l, 1, 70);
    SAY(l, 7, 1);
    ck_assert_uint_eq(lab_entry(l, 1).open, 0);
    SAY(l, 11, 1, 70);
    EXPECT_NOTHING(l);
    lab_look(l);
    EXPECT_NOTHING(l);
    lab_ack(l, 1, 0);
    EXPECT(l, 12, 70);
    EXPECT_NOTHING(l);
    lab_open(l, 1, 71);
}
END_TEST

START_TEST(a_teardown_of_open_rings_waits)
{
    lab_open(l, 1, 70);
    lab_gpadl(l, 1, 71, 3, 0); /* not its rings */
    EXPECT(l, 10, 1, 71, 0);
    SAY(l, 11, 1, 70);
    SAY(l, 11, 1, 70);
    SAY(l, 11, 1, 71);
    EXPECT(l, 12, 71);
    lab_look(l);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(lab_entry(l, 1).open, 1);
    SAY(l, 7, 1);
    EXPECT_NOTHING(l);
    lab_ack(l, 1, 0);
    EXPECT(l, 12, 70);
    EXPECT_NOTHING(l);
}
END_TEST

START_TEST(a_ring_being_torn_down_is_not_opened_again)
{
    lab_open(l, 1, 70);
    SAY(l, 7, 1);
    SAY(l, 11, 1, 70);
    SAY(l, 5, 1, 9, 70, 0, 4);
    EXPECT(l, 6, 1, 9, unsuccessful);
    lab_ack(l, 1, 0);
    EXPECT(l, 12, 70);
    ck_assert_uint_eq(state_of(1), CHANNEL_OFFERED);
}
END_TEST

START_TEST(close_twice_and_before_it_is_open)
{
    SAY(l, 7, 1);
    ck_assert(!l->changed);
    lab_gpadl(l, 1, 70, LAB_RING_PAGES, 0);
    EXPECT(l, 10, 1, 70, 0);
    lab_say_open(l, 1, 70);
    SAY(l, 7, 1); /* the guest does not wait for the result: it gets none */
    SAY(l, 7, 1);
    ck_assert(!l->changed);
    ck_assert_uint_eq(lab_entry(l, 1).epoch, 2);
    lab_ack(l, 1, 0);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(state_of(1), CHANNEL_OFFERED);
}
END_TEST

/* The worker was told of the rings, and a successor of it would be again: it must let go of them. */
START_TEST(a_failed_open_is_closed)
{
    lab_gpadl(l, 1, 70, LAB_RING_PAGES, 0);
    EXPECT(l, 10, 1, 70, 0);
    lab_say_open(l, 1, 70);
    SAY(l, 11, 1, 70);
    EXPECT_NOTHING(l);
    lab_ack(l, 1, 5);
    EXPECT(l, 6, 1, 101, unsuccessful);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(lab_entry(l, 1).open, 0);
    lab_ack(l, 1, 5); /* a status means nothing now */
    EXPECT(l, 12, 70);
    EXPECT_NOTHING(l);
    lab_open(l, 1, 71);
}
END_TEST

START_TEST(opened_again_while_it_is_closing)
{
    lab_open(l, 1, 70);
    SAY(l, 7, 1);
    lab_gpadl(l, 1, 71, 16, 777);
    EXPECT(l, 10, 1, 71, 0);
    SAY(l, 5, 1, 9, 71, 3, 12);
    SAY(l, 5, 1, 10, 71, 3, 12); /* one waits already */
    EXPECT(l, 6, 1, 10, unsuccessful);
    SAY(l, 11, 1, 70);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(lab_entry(l, 1).open, 0);
    lab_ack(l, 1, 0);
    EXPECT(l, 12, 70);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(lab_entry(l, 1).open, 1);
    ck_assert_uint_eq(lab_entry(l, 1).opening, 2);
    ck_assert_uint_eq(lab_entry(l, 1).pages, 16);
    ck_assert_uint_eq(lab_entry(l, 1).target_vp, 3);
    ck_assert_uint_eq(lab_entry(l, 1).downstream, 12);
    lab_ack(l, 1, 0);
    EXPECT(l, 6, 1, 9, 0);
}
END_TEST

START_TEST(memory_that_went_before_it_opened_again)
{
    lab_open(l, 1, 70);
    SAY(l, 7, 1);
    lab_gpadl(l, 1, 71, 16, 777);
    EXPECT(l, 10, 1, 71, 0);
    SAY(l, 5, 1, 9, 71, 3, 12);
    SAY(l, 11, 1, 71); /* nobody uses it yet */
    EXPECT(l, 12, 71);
    lab_ack(l, 1, 0);
    EXPECT(l, 6, 1, 9, unsuccessful);
    ck_assert_uint_eq(lab_entry(l, 1).open, 0);
    ck_assert_uint_eq(state_of(1), CHANNEL_OFFERED);
}
END_TEST

START_TEST(closed_before_it_opened_again)
{
    lab_open(l, 1, 70);
    SAY(l, 7, 1);
    SAY(l, 5, 1, 9, 70, 0, 4);
    SAY(l, 7, 1);
    ck_assert(l->changed);
    lab_ack(l, 1, 0);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(state_of(1), CHANNEL_OFFERED);
}
END_TEST

/* --- modify --- */

START_TEST(another_processor)
{
    lab_open(l, 1, 70);
    SAY(l, 22, 1, 3);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(lab_entry(l, 1).target_vp, 3);
    ck_assert_uint_eq(lab_entry(l, 1).opening, 1); /* the same rings */
    ck_assert_uint_eq(lab_entry(l, 1).pool_at, 0);
    ck_assert_uint_eq(lab_entry(l, 1).pages, LAB_RING_PAGES);
    lab_ack(l, 1, 0);
    EXPECT(l, 24, 1, 0);
    SAY(l, 22, 1, 2);
    SAY(l, 22, 1, never); /* twice: both are answered when the last is done */
    lab_look(l);
    EXPECT_NOTHING(l);
    lab_ack(l, 1, 0);
    EXPECT(l, 24, 1, 0);
    EXPECT(l, 24, 1, 0);
    EXPECT_NOTHING(l);
}
END_TEST

START_TEST(modifications_that_cannot_be_are_answered)
{
    SAY(l, 22, 1, 0); /* closed */
    EXPECT(l, 24, 1, unsuccessful);
    SAY(l, 22, 2, 0); /* not there */
    EXPECT(l, 24, 2, unsuccessful);
    lab_open(l, 1, 70);
    SAY(l, 22, 1, LAB_VPS);
    EXPECT(l, 24, 1, unsuccessful);
    ck_assert_uint_eq(lab_entry(l, 1).target_vp, 1);
    SAY(l, 7, 1);
    SAY(l, 22, 1, 0); /* closing */
    EXPECT(l, 24, 1, unsuccessful);
}
END_TEST

START_TEST(nobody_counts_a_guests_modifications_for_ever)
{
    lab_open(l, 1, 70);
    for (unsigned i = 0; i < 8; i++)
        SAY(l, 22, 1, i % LAB_VPS);
    EXPECT_NOTHING(l);
    SAY(l, 22, 1, 0);
    EXPECT(l, 24, 1, unsuccessful);
    lab_ack(l, 1, 0);
    for (unsigned i = 0; i < 8; i++)
        EXPECT(l, 24, 1, 0);
    EXPECT_NOTHING(l);
}
END_TEST

/* Linux waits for each answer without an end. */
START_TEST(a_close_answers_modifications)
{
    lab_open(l, 1, 70);
    SAY(l, 22, 1, 2);
    SAY(l, 22, 1, 3);
    SAY(l, 7, 1);
    EXPECT(l, 24, 1, unsuccessful);
    EXPECT(l, 24, 1, unsuccessful);
    EXPECT_NOTHING(l);
    lab_ack(l, 1, 0);
    EXPECT_NOTHING(l);
}
END_TEST

START_TEST(older_guests_get_no_answer)
{
    lab_contact(l, 0x50002, 0);
    SAY_PLAIN(l, 3);
    while (lab_next(l) != NULL)
        continue;
    lab_open(l, 1, 70);
    SAY(l, 22, 1, 2);
    SAY(l, 22, 1, LAB_VPS);
    lab_ack(l, 1, 0);
    ck_assert_uint_eq(lab_entry(l, 1).target_vp, 2);
    EXPECT_NOTHING(l);
}
END_TEST

/* --- subchannels --- */

START_TEST(subchannels_come_with_an_open_primary)
{
    want_subchannels(0, 2);
    EXPECT_NOTHING(l);
    lab_open(l, 1, 70);
    lab_expect_offer(l, 2);
    lab_expect_offer(l, 3);
    EXPECT_NOTHING(l);
    lab_look(l);
    EXPECT_NOTHING(l);
    want_subchannels(0, UINT32_MAX); /* more than there are */
    for (uint32_t relid = 4; relid <= 8; relid++)
        lab_expect_offer(l, relid);
    EXPECT_NOTHING(l);
    want_subchannels(0, 0); /* what is offered stays */
    EXPECT_NOTHING(l);
    lab_open(l, 5, 75);
}
END_TEST

/* As Linux closes: the subchannels first, then the primary. */
START_TEST(subchannels_go_with_the_primary)
{
    want_subchannels(0, 2);
    lab_open(l, 1, 70);
    lab_expect_offer(l, 2);
    lab_expect_offer(l, 3);
    lab_open(l, 2, 71);
    SAY(l, 7, 2);
    SAY(l, 11, 2, 71);
    lab_ack(l, 2, 0);
    EXPECT(l, 12, 71);
    EXPECT_NOTHING(l);
    SAY(l, 7, 1);
    EXPECT_NOTHING(l);
    SAY(l, 11, 1, 70);
    lab_ack(l, 1, 0);
    EXPECT(l, 12, 70);
    EXPECT(l, 2, 2);
    EXPECT(l, 2, 3);
    EXPECT_NOTHING(l);
    SAY(l, 13, 2);
    lab_open(l, 1, 72);
    lab_expect_offer(l, 2);
    EXPECT_NOTHING(l); /* the guest still has the other */
    SAY(l, 13, 3);
    lab_expect_offer(l, 3);
}
END_TEST

START_TEST(a_subchannel_that_outlives_its_primary)
{
    want_subchannels(0, 1);
    lab_open(l, 1, 70);
    lab_expect_offer(l, 2);
    lab_open(l, 2, 71);
    SAY(l, 7, 1);
    lab_ack(l, 1, 0);
    EXPECT_NOTHING(l); /* the guest closes it itself */
    SAY(l, 7, 2);
    SAY(l, 11, 2, 71);
    EXPECT_NOTHING(l);
    lab_ack(l, 2, 0);
    EXPECT(l, 12, 71);
    EXPECT(l, 2, 2);
    EXPECT_NOTHING(l);
}
END_TEST

START_TEST(a_subchannel_that_did_not_open_in_time)
{
    want_subchannels(0, 1);
    lab_open(l, 1, 70);
    lab_expect_offer(l, 2);
    lab_gpadl(l, 2, 71, LAB_RING_PAGES, 0);
    EXPECT(l, 10, 2, 71, 0);
    lab_say_open(l, 2, 71);
    SAY(l, 7, 1);
    lab_ack(l, 1, 0);
    EXPECT_NOTHING(l);
    lab_ack(l, 2, 1);
    EXPECT(l, 6, 2, 102, unsuccessful);
    lab_ack(l, 2, 0);
    EXPECT(l, 2, 2); /* else it would stay, and the next primary lack it */
}
END_TEST

START_TEST(a_subchannel_needs_an_open_primary)
{
    want_subchannels(0, 1);
    lab_open(l, 1, 70);
    lab_expect_offer(l, 2);
    lab_open(l, 2, 71);
    SAY(l, 7, 2);
    SAY(l, 5, 2, 9, 71, 0, 4); /* again; then the primary goes */
    SAY(l, 7, 1);
    lab_ack(l, 1, 0);
    EXPECT_NOTHING(l);
    lab_ack(l, 2, 0);
    EXPECT(l, 6, 2, 9, unsuccessful);
    EXPECT(l, 2, 2);
    ck_assert_uint_eq(lab_entry(l, 2).open, 0);
}
END_TEST

START_TEST(a_primary_that_opens_again_has_new_subchannels)
{
    want_subchannels(0, 2);
    lab_open(l, 1, 70);
    lab_expect_offer(l, 2);
    lab_expect_offer(l, 3);
    SAY(l, 7, 1);
    SAY(l, 5, 1, 9, 70, 0, 4);
    lab_ack(l, 1, 0);
    EXPECT(l, 2, 2);
    EXPECT(l, 2, 3);
    lab_ack(l, 1, 0);
    EXPECT(l, 6, 1, 9, 0);
    EXPECT_NOTHING(l);
    SAY(l, 13, 3);
    lab_expect_offer(l, 3);
    EXPECT_NOTHING(l);
}
END_TEST

/* --- devices that come and go --- */

START_TEST(a_device_goes_and_comes)
{
    atomic_store(&l->acks.present, 0xd);
    lab_look(l);
    EXPECT(l, 2, 9);
    EXPECT_NOTHING(l);
    atomic_store(&l->acks.present, 0xf);
    lab_look(l);
    EXPECT_NOTHING(l);      /* the guest has it still */
    lab_say_open(l, 9, 70); /* a real host is silent */
    EXPECT_NOTHING(l);
    SAY(l, 13, 9);
    lab_expect_offer(l, 9);
    lab_open(l, 9, 70);
    atomic_store(&l->acks.present, 0xd);
    lab_look(l);
    EXPECT_NOTHING(l); /* open: what the guest does with it fails, until it closes it */
    SAY(l, 7, 9);
    lab_ack(l, 9, 0);
    EXPECT(l, 2, 9);
}
END_TEST

START_TEST(all_that_changed_is_said_in_one_look)
{
    atomic_store(&l->acks.present, 0);
    lab_look(l);
    for (uint32_t relid = 1; relid <= 25; relid += 8)
        EXPECT(l, 2, relid);
    EXPECT_NOTHING(l);
    for (uint32_t relid = 1; relid <= 25; relid += 8)
        SAY(l, 13, relid);
    EXPECT_NOTHING(l);
    atomic_store(&l->acks.present, UINT32_MAX); /* more than it can have */
    lab_look(l);
    for (uint32_t relid = 1; relid <= 25; relid += 8)
        lab_expect_offer(l, relid);
    EXPECT_NOTHING(l);
}
END_TEST

/* Linux tears down nothing of a channel that was rescinded. */
START_TEST(memory_goes_with_the_relid)
{
    for (uint32_t round = 0; round < 2 * GPADLS_PER_CHANNEL; round++) {
        lab_gpadl(l, 1, round, 2, 0);
        EXPECT(l, 10, 1, round, 0);
        atomic_store(&l->acks.present, 0xe);
        lab_look(l);
        EXPECT(l, 2, 1);
        SAY(l, 13, 1);
        atomic_store(&l->acks.present, 0xf);
        lab_look(l);
        lab_expect_offer(l, 1);
    }
    ck_assert_ptr_null(gpadls_find(&l->v.gpadls, 0));
}
END_TEST

START_TEST(a_rescinded_channel_gives_its_memory_back)
{
    lab_gpadl(l, 1, 70, 2, 0);
    lab_header(l, 1, 71, 30, 0, 26);
    EXPECT(l, 10, 1, 70, 0);
    atomic_store(&l->acks.present, 0xe);
    lab_look(l);
    EXPECT(l, 2, 1);
    SAY(l, 11, 1, 70);
    EXPECT(l, 12, 70);
    lab_gpadl(l, 1, 72, 2, 0);
    EXPECT(l, 10, 1, 72, invalid_parameter);
    SAY(l, 22, 1, 0);
    EXPECT(l, 24, 1, unsuccessful);
}
END_TEST

START_TEST(a_relid_is_not_released_while_it_is_open)
{
    lab_gpadl(l, 1, 70, LAB_RING_PAGES, 0);
    EXPECT(l, 10, 1, 70, 0);
    lab_say_open(l, 1, 70);
    SAY(l, 13, 1);
    ck_assert(!l->changed);
    lab_ack(l, 1, 0);
    EXPECT(l, 6, 1, 101, 0);
    SAY(l, 13, 1);
    ck_assert(!l->changed);
    SAY(l, 7, 1);
    SAY(l, 13, 1);
    ck_assert(!l->changed);
    ck_assert_ptr_nonnull(gpadls_find(&l->v.gpadls, 70));
    lab_ack(l, 1, 0);
    EXPECT_NOTHING(l);
}
END_TEST

/* Linux does it when it cannot make a device of an offer, and when its driver is unloaded. */
START_TEST(a_channel_that_the_guest_does_not_want)
{
    lab_gpadl(l, 1, 70, 2, 0);
    EXPECT(l, 10, 1, 70, 0);
    SAY(l, 13, 1);
    EXPECT_NOTHING(l); /* offered again, it would go round for ever */
    SAY(l, 13, 1);
    ck_assert(!l->changed);
    ck_assert_ptr_null(gpadls_find(&l->v.gpadls, 70));
    SAY(l, 5, 1, 9, 70, 0, 4);
    EXPECT(l, 6, 1, 9, unsuccessful);
    atomic_store(&l->acks.present, 0xe);
    lab_look(l);
    EXPECT_NOTHING(l); /* it does not know it any more */
    atomic_store(&l->acks.present, 0xf);
    lab_look(l);
    lab_expect_offer(l, 1);
}
END_TEST

START_TEST(a_subchannel_that_the_guest_does_not_want)
{
    want_subchannels(0, 1);
    lab_open(l, 1, 70);
    lab_expect_offer(l, 2);
    SAY(l, 13, 2);
    EXPECT_NOTHING(l);
    SAY(l, 7, 1);
    lab_ack(l, 1, 0);
    EXPECT_NOTHING(l);
    lab_open(l, 1, 70 + 1);
    lab_expect_offer(l, 2);
}
END_TEST

static void add_devices(Suite *s)
{
    TCase *t = tcase_create("devices");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, subchannels_come_with_an_open_primary);
    tcase_add_test(t, subchannels_go_with_the_primary);
    tcase_add_test(t, a_subchannel_that_outlives_its_primary);
    tcase_add_test(t, a_subchannel_that_did_not_open_in_time);
    tcase_add_test(t, a_subchannel_needs_an_open_primary);
    tcase_add_test(t, a_primary_that_opens_again_has_new_subchannels);
    tcase_add_test(t, a_device_goes_and_comes);
    tcase_add_test(t, all_that_changed_is_said_in_one_look);
    tcase_add_test(t, memory_goes_with_the_relid);
    tcase_add_test(t, a_rescinded_channel_gives_its_memory_back);
    tcase_add_test(t, a_relid_is_not_released_while_it_is_open);
    tcase_add_test(t, a_channel_that_the_guest_does_not_want);
    tcase_add_test(t, a_subchannel_that_the_guest_does_not_want);
    suite_add_tcase(s, t);
}

int main(void)
{
    Suite *s = suite_create("vmbus_channel");
    TCase *t = tcase_create("channel");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, the_worker_learns_what_to_open);
    tcase_add_test(t, an_old_acknowledgement_opens_nothing);
    tcase_add_test(t, rings_are_checked);
    tcase_add_test(t, a_channel_may_have_no_interrupt);
    tcase_add_test(t, the_largest_rings);
    tcase_add_test(t, it_is_open_once);
    tcase_add_test(t, relids_that_do_not_exist);
    tcase_add_test(t, memory_comes_back_when_the_worker_has_let_go);
    tcase_add_test(t, a_teardown_of_open_rings_waits);
    tcase_add_test(t, a_ring_being_torn_down_is_not_opened_again);
    tcase_add_test(t, close_twice_and_before_it_is_open);
    tcase_add_test(t, a_failed_open_is_closed);
    tcase_add_test(t, opened_again_while_it_is_closing);
    tcase_add_test(t, memory_that_went_before_it_opened_again);
    tcase_add_test(t, closed_before_it_opened_again);
    tcase_add_test(t, another_processor);
    tcase_add_test(t, modifications_that_cannot_be_are_answered);
    tcase_add_test(t, nobody_counts_a_guests_modifications_for_ever);
    tcase_add_test(t, a_close_answers_modifications);
    tcase_add_test(t, older_guests_get_no_answer);
    suite_add_tcase(s, t);
    add_devices(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
