#include "tests/fakes/vmbus.h"

static struct vmbus_lab lab;
static struct vmbus_lab *const l = &lab;

static void setup(void)
{
    lab_init(l);
    atomic_store(&l->acks.present, 0x5);
}

/* --- contact --- */

START_TEST(versions)
{
    static const struct {
        uint32_t version, supported, connection;
    } cases[] = {
        {0x0000d,    0, 0x0000d},
        {0x10001,    0, 0x10001},
        {0x20004,    1, 0x20004},
        {0x30000,    1, 0x30000},
        {0x40000,    1, 0x40000},
        {0x40001,    1, 0x40001},
        {0x50000,    1, 4      },
        {0x50001,    1, 4      },
        {0x50002,    1, 4      },
        {0x50003,    1, 4      },
        {0x50004,    0, 4      },
        {0x60000,    0, 4      },
        {0,          0, 0      },
        {UINT32_MAX, 0, 4      },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        lab_contact(l, cases[i].version, 0);
        EXPECT(l, 15, cases[i].supported, cases[i].connection);
        EXPECT_NOTHING(l);
        SAY_PLAIN(l, 3);
        if (cases[i].supported) {
            lab_expect_offer(l, 1);
            lab_expect_offer(l, 17);
            EXPECT_PLAIN(l, 4);
        }
        EXPECT_NOTHING(l);
    }
}
END_TEST

START_TEST(answers_go_where_the_guest_said)
{
    const struct vmbus_message *m;

    lab_contact(l, 0x50003, 3);
    m = lab_next(l);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->vp, 3);
    lab_contact(l, 0x50003, LAB_VPS); /* nobody is there to answer */
    EXPECT_NOTHING(l);
    lab_contact(l, 0x50003, UINT32_MAX);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(l->v.phase, VMBUS_CONNECTED); /* nor has it ended the other */
    SAY_PLAIN(l, 3);
    m = lab_next(l);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->vp, 3);
}
END_TEST

START_TEST(one_monitor_page_is_as_good_as_none)
{
    SAY(l, 14, 0x50003, 0, 2, 0, 0x1001, 0, 0, 0);
    EXPECT(l, 15, 1, 4);
}
END_TEST

START_TEST(where_messages_are_sent_to)
{
    struct vmbus_post post = {.connection = 2, .type = 1, .len = 8, .payload = {16}};

    for (uint32_t connection = 0; connection < 6; connection++) {
        bool good = connection == 1 || connection == 4;

        post.connection = connection;
        lab_post(l, &post);
        ck_assert_uint_eq(l->status, good ? 0u : 0x12u);
        if (good)
            EXPECT_PLAIN(l, 17);
        EXPECT_NOTHING(l);
    }
    post.connection = 4;
    post.type = 2;
    lab_post(l, &post);
    ck_assert_uint_eq(l->status, 0);
    post.type = 1;
    post.len = 241; /* the supervisor would not let it pass */
    lab_post(l, &post);
    EXPECT_PLAIN(l, 17);
    EXPECT_NOTHING(l);
}
END_TEST

START_TEST(nothing_is_done_before_it_is_asked_for)
{
    static const uint32_t types[] = {3, 5, 7, 8, 9, 11, 13, 22};

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        uint32_t words[60] = {types[i], 0, 1, 1};

        lab_words(l, words, 60);
        EXPECT_NOTHING(l);
    }
    ck_assert_uint_eq(l->v.counters.refused, COUNT_OF(types));
    lab_contact(l, 0x50003, 0);
    EXPECT(l, 15, 1, 4);
    for (size_t i = 1; i < COUNT_OF(types); i++) {
        uint32_t words[60] = {types[i], 0, 1, 1};

        lab_words(l, words, 60);
        ck_assert(!l->changed);
        EXPECT_NOTHING(l);
    }
}
END_TEST

START_TEST(offers_are_asked_for_once)
{
    lab_contact(l, 0x50003, 0);
    EXPECT(l, 15, 1, 4);
    SAY_PLAIN(l, 3);
    lab_expect_offer(l, 1);
    lab_expect_offer(l, 17);
    EXPECT_PLAIN(l, 4);
    SAY_PLAIN(l, 3);
    ck_assert(!l->changed);
    EXPECT_NOTHING(l);
    lab_contact(l, 0x50003, 0);
    EXPECT(l, 15, 1, 4);
    SAY_PLAIN(l, 3);
    lab_expect_offer(l, 1);
}
END_TEST

START_TEST(unknown_messages_are_counted)
{
    static const uint32_t types[] = {0,  1,  2,  4,  6,  10, 12, 15,      17,        18,
                                     19, 20, 21, 23, 24, 25, 26, 0x1000e, UINT32_MAX};

    lab_connect(l, 0x5);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        uint32_t words[60] = {types[i], 0, 1, 1};

        lab_words(l, words, 60);
        ck_assert_uint_eq(l->status, 0);
        ck_assert(!l->changed);
        EXPECT_NOTHING(l);
    }
    ck_assert_uint_eq(l->v.counters.unknown, COUNT_OF(types));
}
END_TEST

START_TEST(truncated_messages_are_nothing)
{
    static const struct {
        uint32_t type, least;
    } cases[] = {
        {3,  8 },
        {5,  28},
        {7,  12},
        {8,  28},
        {9,  24},
        {11, 16},
        {13, 12},
        {14, 40},
        {16, 8 },
        {22, 16}
    };

    lab_connect(l, 0x5);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (uint32_t len = 0; len < cases[i].least; len++) {
            uint32_t words[60] = {cases[i].type, 0, 1, 1};

            lab_bytes(l, words, len);
            ck_assert(!l->changed);
            EXPECT_NOTHING(l);
        }
    }
    ck_assert_uint_eq(l->v.counters.malformed, 8 + 28 + 12 + 28 + 24 + 16 + 12 + 40 + 8 + 16);
    ck_assert_uint_eq(l->v.counters.refused, 0);
}
END_TEST

/* --- the connection ends --- */

START_TEST(a_contact_closes_everything_first)
{
    lab_connect(l, 0x5);
    lab_open(l, 1, 70);
    lab_gpadl(l, 17, 71, LAB_RING_PAGES, 0);
    EXPECT(l, 10, 17, 71, 0);
    lab_say_open(l, 17, 71);
    SAY(l, 11, 1, 70);
    lab_contact(l, 0x40000, 2);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(lab_entry(l, 1).open, 0);
    ck_assert_uint_eq(lab_entry(l, 17).open, 0);
    lab_ack(l, 1, 0);
    EXPECT_NOTHING(l);
    SAY(l, 8, 1, 90, 16 | 1 << 16, 4096, 0, 1, 0); /* of nobody's connection */
    SAY_PLAIN(l, 3);
    SAY(l, 13, 1);
    EXPECT_NOTHING(l);
    lab_ack(l, 17, 0);
    EXPECT(l, 15, 1, 0x40000);
    EXPECT_NOTHING(l);
    ck_assert_ptr_null(gpadls_find(&l->v.gpadls, 70));
    ck_assert_ptr_null(gpadls_find(&l->v.gpadls, 71));
    SAY_PLAIN(l, 3);
    lab_expect_offer(l, 1);
    lab_expect_offer(l, 17);
    EXPECT_PLAIN(l, 4);
    lab_open(l, 1, 70);
    ck_assert_uint_eq(lab_entry(l, 1).opening, 2); /* not the same as before */
}
END_TEST

START_TEST(only_the_newest_contact_is_answered)
{
    const struct vmbus_message *m;

    lab_connect(l, 0x5);
    lab_open(l, 1, 70);
    for (uint32_t i = 0; i < 1000; i++)
        lab_contact(l, 0x50003, i % LAB_VPS);
    lab_contact(l, 0x60000, 1);
    lab_contact(l, 0x30000, 3);
    EXPECT_NOTHING(l);
    lab_ack(l, 1, 0);
    m = lab_next(l);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->vp, 3);
    ck_assert_uint_eq(m->payload[0], 15);
    ck_assert_uint_eq(m->payload[8], 1);
    EXPECT_NOTHING(l);
}
END_TEST

START_TEST(unload_is_answered_last)
{
    lab_connect(l, 0x5);
    lab_open(l, 1, 70);
    SAY(l, 22, 1, 2);
    SAY_PLAIN(l, 16);
    EXPECT_NOTHING(l);
    lab_ack(l, 1, 0);
    EXPECT_PLAIN(l, 17);
    EXPECT_NOTHING(l);
    SAY_PLAIN(l, 3);
    lab_look(l);
    EXPECT_NOTHING(l); /* nothing but a contact is heard */
    SAY_PLAIN(l, 16);
    EXPECT_PLAIN(l, 17);
    lab_connect(l, 0x5);
}
END_TEST

/* A crash kernel that does not wait, and one that gives up its contact. */
START_TEST(unload_and_contact_take_each_others_place)
{
    lab_connect(l, 0x5);
    lab_open(l, 1, 70);
    SAY_PLAIN(l, 16);
    lab_contact(l, 0x50003, 0);
    lab_ack(l, 1, 0);
    EXPECT(l, 15, 1, 4);
    EXPECT_NOTHING(l);
    SAY_PLAIN(l, 3);
    lab_expect_offer(l, 1);
    lab_expect_offer(l, 17);
    EXPECT_PLAIN(l, 4);
    lab_open(l, 1, 70);
    lab_contact(l, 0x50003, 0);
    SAY_PLAIN(l, 16);
    lab_ack(l, 1, 0);
    EXPECT_PLAIN(l, 17);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(l->v.phase, VMBUS_DISCONNECTED);
}
END_TEST

START_TEST(a_channel_that_waits_to_open_again_does_not)
{
    lab_connect(l, 0x5);
    lab_open(l, 1, 70);
    SAY(l, 7, 1);
    SAY(l, 5, 1, 9, 70, 0, 4);
    SAY_PLAIN(l, 16);
    lab_ack(l, 1, 0);
    EXPECT_PLAIN(l, 17);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(lab_entry(l, 1).open, 0);
}
END_TEST

START_TEST(nothing_is_offered_to_nobody)
{
    lab_contact(l, 0x50003, 0);
    EXPECT(l, 15, 1, 4);
    lab_look(l);
    EXPECT_NOTHING(l);
    SAY_PLAIN(l, 16);
    EXPECT_PLAIN(l, 17);
    atomic_store(&l->acks.present, 0xf);
    atomic_store(&l->acks.subchannels[0], 7);
    lab_look(l);
    EXPECT_NOTHING(l);
    ck_assert(!l->changed);
}
END_TEST

/* --- the outbox --- */

/* Answers until no more are taken: how many. */
static uint32_t fill(void)
{
    uint32_t n = 0;

    for (; n < 1000; n++) {
        SAY(l, 5, 1, n, 99, 0, 4); /* refused: one answer each */
        if (l->status != HV_SUCCESS)
            break;
    }
    ck_assert_uint_eq(l->status, 0x13);
    ck_assert(!l->changed);
    return n;
}

START_TEST(a_guest_that_does_not_read_is_made_to_wait)
{
    uint32_t n, said, next = 0;

    lab_connect(l, 0x5);
    n = said = fill();
    ck_assert_uint_gt(n, 200);
    ck_assert_uint_le(n, VMBUS_OUTBOX_ENTRIES);
    for (uint32_t round = 0; round < 2000; round++) {
        EXPECT(l, 6, 1, next, unsuccessful);
        next++;
        SAY(l, 5, 1, said, 99, 0, 4);
        ck_assert_uint_eq(l->status, 0);
        said++;
        SAY(l, 5, 1, said, 99, 0, 4);
        ck_assert_uint_eq(l->status, 0x13);
    }
    for (; next < said; next++)
        EXPECT(l, 6, 1, next, unsuccessful);
    EXPECT_NOTHING(l);
}
END_TEST

START_TEST(acknowledgements_wait_for_room)
{
    lab_connect(l, 0x5);
    lab_gpadl(l, 1, 70, LAB_RING_PAGES, 0);
    lab_say_open(l, 1, 70);
    (void)fill();
    ck_assert(vmbus_is_blocked(&l->v));
    lab_ack(l, 1, 0);
    ck_assert(!l->changed);
    ck_assert_uint_eq(l->v.channels[0].state, CHANNEL_OPENING);
    while (lab_next(l) != NULL)
        continue;
    ck_assert(vmbus_is_blocked(&l->v)); /* it was: somebody must look */
    lab_look(l);
    ck_assert(!vmbus_is_blocked(&l->v));
    EXPECT(l, 6, 1, 101, 0);
}
END_TEST

START_TEST(devices_wait_for_room)
{
    lab_connect(l, 0x5);
    (void)fill();
    atomic_store(&l->acks.present, 0);
    lab_look(l);
    ck_assert(!l->changed);
    ck_assert(vmbus_is_blocked(&l->v));
    while (lab_next(l) != NULL)
        continue;
    lab_look(l);
    EXPECT(l, 2, 1);
    EXPECT(l, 2, 17);
}
END_TEST

/* The one before it has crashed, with its messages unread. */
START_TEST(a_new_guest_gets_through)
{
    lab_connect(l, 0x5);
    lab_gpadl(l, 1, 70, LAB_RING_PAGES, 0);
    lab_say_open(l, 1, 70);
    (void)fill();
    lab_contact(l, 0x50003, 2);
    ck_assert_uint_eq(l->status, 0);
    lab_ack(l, 1, 0); /* closes without a word, so without room */
    EXPECT(l, 15, 1, 4);
    EXPECT_NOTHING(l);
    SAY_PLAIN(l, 3);
    lab_expect_offer(l, 1);
}
END_TEST

START_TEST(contacts_never_overrun_the_outbox)
{
    uint64_t head;
    uint32_t n = 0;

    lab_connect(l, 0x5);
    head = atomic_load(&l->outbox.head);
    (void)fill();
    do {
        lab_contact(l, 0x50003, 0);
        SAY_PLAIN(l, 16);
    } while (++n < 1000 && l->status == HV_SUCCESS);
    ck_assert_uint_eq(l->status, 0x13);
    ck_assert_uint_eq(l->v.tail - head, VMBUS_OUTBOX_ENTRIES);
    while (lab_next(l) != NULL)
        continue;
    lab_contact(l, 0x50003, 0);
    ck_assert_uint_eq(l->status, 0);
    EXPECT(l, 15, 1, 4);
}
END_TEST

START_TEST(the_answer_to_a_reset_waits_for_room)
{
    uint64_t head;

    lab_connect(l, 0x5);
    lab_open(l, 1, 70);
    head = atomic_load(&l->outbox.head);
    (void)fill();
    lab_contact(l, 0x50003, 0);
    l->v.tail = head + VMBUS_OUTBOX_ENTRIES; /* as after many contacts */
    l->v.discard = l->v.tail;
    lab_ack(l, 1, 0);
    ck_assert_uint_eq(l->v.tail - head, VMBUS_OUTBOX_ENTRIES);
    ck_assert(vmbus_is_blocked(&l->v));
    EXPECT_NOTHING(l);
    lab_look(l);
    EXPECT(l, 15, 1, 4);
}
END_TEST

START_TEST(what_is_queued_is_not_for_the_next_connection)
{
    lab_connect(l, 0x5);
    lab_open(l, 17, 70);
    SAY(l, 5, 1, 7, 99, 0, 4);
    SAY(l, 5, 1, 8, 99, 0, 4);
    lab_contact(l, 0x50003, 0);
    EXPECT_NOTHING(l); /* not those refusals */
    lab_ack(l, 17, 0);
    EXPECT(l, 15, 1, 4);
    EXPECT_NOTHING(l);
}
END_TEST

START_TEST(nothing_is_seen_before_it_is_published)
{
    struct vmbus_post post = {.connection = 4, .type = 1, .len = 148, .payload = {5}};
    uint64_t tail;

    lab_connect(l, 0x5);
    lab_gpadl(l, 1, 70, LAB_RING_PAGES, 0);
    EXPECT(l, 10, 1, 70, 0);
    tail = atomic_load(&l->outbox.tail);
    memcpy(post.payload + 8, WORDS(1, 9, 70, 0, 4) * 4);
    ck_assert(vmbus_message(&l->v, &post, &l->status));
    ck_assert_uint_eq(lab_entry(l, 1).epoch, 0);
    memcpy(post.payload + 8, WORDS(1, 10, 70, 0, 4) * 4);
    ck_assert(vmbus_message(&l->v, &post, &l->status));
    ck_assert_uint_eq(atomic_load(&l->outbox.tail), tail);
    vmbus_publish(&l->v);
    EXPECT(l, 6, 1, 10, unsuccessful);
    ck_assert_uint_eq(lab_entry(l, 1).open, 1);
}
END_TEST

static void add_ends(Suite *s)
{
    TCase *t = tcase_create("ends");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_contact_closes_everything_first);
    tcase_add_test(t, only_the_newest_contact_is_answered);
    tcase_add_test(t, unload_is_answered_last);
    tcase_add_test(t, unload_and_contact_take_each_others_place);
    tcase_add_test(t, a_channel_that_waits_to_open_again_does_not);
    tcase_add_test(t, nothing_is_offered_to_nobody);
    tcase_add_test(t, a_guest_that_does_not_read_is_made_to_wait);
    tcase_add_test(t, acknowledgements_wait_for_room);
    tcase_add_test(t, devices_wait_for_room);
    tcase_add_test(t, a_new_guest_gets_through);
    tcase_add_test(t, contacts_never_overrun_the_outbox);
    tcase_add_test(t, the_answer_to_a_reset_waits_for_room);
    tcase_add_test(t, what_is_queued_is_not_for_the_next_connection);
    tcase_add_test(t, nothing_is_seen_before_it_is_published);
    suite_add_tcase(s, t);
}

int main(void)
{
    Suite *s = suite_create("vmbus_connection");
    TCase *t = tcase_create("contact");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, versions);
    tcase_add_test(t, answers_go_where_the_guest_said);
    tcase_add_test(t, one_monitor_page_is_as_good_as_none);
    tcase_add_test(t, where_messages_are_sent_to);
    tcase_add_test(t, nothing_is_done_before_it_is_asked_for);
    tcase_add_test(t, offers_are_asked_for_once);
    tcase_add_test(t, unknown_messages_are_counted);
    tcase_add_test(t, truncated_messages_are_nothing);
    suite_add_tcase(s, t);
    add_ends(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
