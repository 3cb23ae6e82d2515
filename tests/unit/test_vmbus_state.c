#include <errno.h>

#include "tests/fakes/vmbus.h"

static struct vmbus_lab lab;
static struct vmbus_lab *const l = &lab;

struct state {
    uint8_t bytes[VMBUS_STATE_MAX];
    size_t len;
};

enum {
    AT_PHASE = 0, /* of a state, in bytes */
    AT_TARGET_VP = 8,
    AT_HAS_CONTACT = 12,
    AT_TAIL = 24,
    AT_DISCARD = 32,
    AT_CHANNELS = 40,
    CHANNEL_BYTES = 13 * 4,
    AT_GPADLS = AT_CHANNELS + VMBUS_CHANNELS * CHANNEL_BYTES,
    AT_FIRST_GPADL = AT_GPADLS + 8, /* how many, epoch */
    GPADL_BYTES = 10 * 4,           /* place, eight that a row had ever, epoch */
};

static void setup(void)
{
    lab_init(l);
    lab_connect(l, 0xf);
}

static void save(const struct vmbus *v, struct state *ret)
{
    struct wr w = wr_over(ret->bytes, sizeof(ret->bytes));

    vmbus_save(v, &w);
    ck_assert_int_eq(wr_finish(&w, &ret->len), 0);
}

static int load(struct vmbus *v, const uint8_t *bytes, size_t len)
{
    struct rd r = rd_over(bytes, len);

    return vmbus_load(v, &r, VMBUS_SCHEMA);
}

/* The worker dies here; its successor has the same state and shows what was shown. */
static void succeed(void)
{
    static struct vmbus_channels shown;
    static struct vmbus next;
    static struct state before, after;
    uint64_t tail = atomic_load(&l->outbox.tail);

    save(&l->v, &before);
    memcpy(&shown, &l->shared, sizeof(shown));
    lab_attach(l, &next);
    ck_assert_int_eq(load(&next, before.bytes, before.len), 0);
    save(&next, &after);
    ck_assert_uint_eq(before.len, after.len);
    ck_assert_mem_eq(before.bytes, after.bytes, after.len);
    vmbus_publish(&next);
    ck_assert_uint_eq(atomic_load(&l->outbox.tail), tail);
    ck_assert_mem_eq(&shown, &l->shared, sizeof(shown));
    l->v = next;
}

/* Something of everything: all states of channels and lists, but for the end of a connection. */
static void script(void (*between)(void))
{
    atomic_store(&l->acks.subchannels[0], 2);
    between();
    lab_header(l, 1, 70, 30, 0, 26); /* BUILDING */
    between();
    lab_gpadl(l, 1, 71, LAB_RING_PAGES, 100);
    between();
    lab_say_open(l, 1, 71);
    between();
    lab_ack(l, 1, 0);
    between();
    SAY(l, 22, 1, 3);
    between();
    SAY(l, 11, 1, 71); /* TEARING */
    between();
    lab_gpadl(l, 2, 72, LAB_RING_PAGES, 200);
    lab_say_open(l, 2, 72);
    lab_ack(l, 2, 0);
    between();
    SAY(l, 7, 2);
    between();
    SAY(l, 5, 2, 9, 72, 0, 4); /* to open again */
    between();
    SAY(l, 13, 3);
    between();
    lab_gpadl(l, 9, 73, 3, 300);
    atomic_store(&l->acks.present, 0xd);
    lab_look(l);
    between();
    lab_gpadl(l, 17, 74, VMBUS_RING_PAGES_MAX, 400);
    lab_say_open(l, 17, 74); /* OPENING */
    between();
}

static void nothing(void) {}

START_TEST(a_fresh_state_comes_back)
{
    lab_init(l);
    succeed();
    lab_contact(l, 0x50003, 3);
    succeed();
    EXPECT(l, 15, 1, 4);
    SAY_PLAIN(l, 3);
    succeed();
}
END_TEST

START_TEST(every_step_comes_back)
{
    script(succeed);
    SAY_PLAIN(l, 16);
    succeed();
    lab_contact(l, 0x50003, 2);
    succeed();
    lab_ack(l, 1, 0);
    succeed();
    lab_ack(l, 2, 0);
    lab_ack(l, 17, 0);
    succeed();
    EXPECT(l, 15, 1, 4);
}
END_TEST

START_TEST(a_successor_shows_what_was_committed)
{
    static struct state before;
    static struct vmbus next;
    struct vmbus_post post = {.connection = 4, .type = 1, .len = 148, .payload = {5}};

    lab_gpadl(l, 1, 71, LAB_RING_PAGES, 100);
    EXPECT(l, 10, 1, 71, 0);
    memcpy(post.payload + 8, WORDS(1, 9, 71, 0, 4) * 4);
    ck_assert(vmbus_message(&l->v, &post, &l->status));
    save(&l->v, &before);          /* and dies */
    l->shared.channels[0].seq = 7; /* in the middle of showing it */
    l->shared.channels[0].epoch = 1;
    lab_attach(l, &next);
    ck_assert_int_eq(load(&next, before.bytes, before.len), 0);
    vmbus_publish(&next);
    ck_assert_uint_eq(lab_entry(l, 1).open, 1);
    ck_assert_uint_eq(lab_entry(l, 1).pages, LAB_RING_PAGES);
    ck_assert_uint_eq(lab_entry(l, 1).downstream, 4);
}
END_TEST

START_TEST(the_fullest_state_fits)
{
    static struct state s;

    for (uint32_t i = 0; i < GPADLS_MAX; i++) {
        struct gpadl *one;

        ck_assert_int_eq(gpadls_add(&l->v.gpadls, 1 + i / GPADLS_PER_CHANNEL, i, 1, &one), 0);
    }
    save(&l->v, &s);
    ck_assert_uint_eq(s.len, AT_FIRST_GPADL + GPADLS_MAX * GPADL_BYTES);
}
END_TEST

/* Lists had no places and no epochs then. */
START_TEST(a_state_of_the_first_schema_is_read)
{
    static struct state s, old;
    static struct vmbus next;
    struct rd r;

    script(nothing);
    save(&l->v, &s);
    memcpy(old.bytes, s.bytes, AT_GPADLS + 4);
    old.len = AT_GPADLS + 4;
    for (size_t at = AT_FIRST_GPADL; at < s.len; at += GPADL_BYTES, old.len += GPADL_BYTES - 8)
        memcpy(old.bytes + old.len, s.bytes + at + 4, GPADL_BYTES - 8);
    lab_attach(l, &next);
    r = rd_over(old.bytes, old.len);
    ck_assert_int_eq(vmbus_load(&next, &r, 1), 0);
    for (uint32_t id = 70; id < 75; id++) {
        ck_assert_ptr_nonnull(gpadls_find(&next.gpadls, id));
        ck_assert_uint_eq(gpadls_find(&next.gpadls, id)->pool_at,
                          gpadls_find(&l->v.gpadls, id)->pool_at);
    }
    r = rd_over(old.bytes, old.len);
    ck_assert_int_eq(vmbus_load(&next, &r, VMBUS_SCHEMA), -EBADMSG);
}
END_TEST

/* --- what cannot have been saved --- */

static void refuse(const uint8_t *bytes, size_t len)
{
    static struct vmbus next, before;

    lab_attach(l, &next);
    memcpy(&before, &next, sizeof(before));
    ck_assert_int_eq(load(&next, bytes, len), -EBADMSG);
    ck_assert_mem_eq(&before, &next, sizeof(before));
}

START_TEST(cut_and_long_states_are_refused)
{
    static struct state s;

    script(nothing);
    save(&l->v, &s);
    for (size_t len = 0; len < s.len; len++) {
        uint8_t *copy = malloc(len + 1); /* of its own, so that a sanitizer sees its end */

        ck_assert_ptr_nonnull(copy);
        memcpy(copy + 1, s.bytes, len);
        refuse(copy + 1, len);
        free(copy);
    }
    refuse(s.bytes, s.len + 1);
}
END_TEST

static size_t field_of(uint32_t relid, unsigned word)
{
    return AT_CHANNELS + vmbus_index(relid) * CHANNEL_BYTES + word * 4;
}

static size_t list_field(uint32_t row, unsigned word)
{
    return AT_FIRST_GPADL + row * GPADL_BYTES + 4 + word * 4;
}

static void refuse_with(const struct state *s, size_t at, uint32_t value)
{
    static struct state bad;

    bad = *s;
    memcpy(bad.bytes + at, &value, sizeof(value));
    refuse(bad.bytes, bad.len);
}

START_TEST(numbers_that_cannot_be_are_refused)
{
    static struct state s;

    script(nothing); /* lists in order: 70 of 1, 71 of 1, 72 of 2, 73 of 9, 74 of 17 */
    save(&l->v, &s);
    refuse_with(&s, AT_PHASE, VMBUS_PHASES);
    refuse_with(&s, AT_PHASE, VMBUS_DISCONNECTED); /* with open channels */
    refuse_with(&s, AT_PHASE, VMBUS_CONNECTED);
    refuse_with(&s, AT_PHASE, VMBUS_RESETTING);
    refuse_with(&s, AT_TARGET_VP, LAB_VPS);
    refuse_with(&s, AT_HAS_CONTACT, 2);
    refuse_with(&s, AT_HAS_CONTACT + 8, LAB_VPS); /* of the next one */
    refuse_with(&s, AT_DISCARD, (uint32_t)l->v.tail + 1);
    refuse_with(&s, AT_TAIL + 4, 1);
    refuse_with(&s, field_of(1, 0), CHANNEL_STATES);
    refuse_with(&s, field_of(33, 0), CHANNEL_OFFERED); /* no worker is behind it */
    refuse_with(&s, field_of(33, 0), CHANNEL_CLOSING);
    refuse_with(&s, field_of(25, 0), CHANNEL_OPEN); /* without rings */
    refuse_with(&s, field_of(25, 0), CHANNEL_OPENING);
    refuse_with(&s, field_of(25, 0), CHANNEL_CLOSING);
    refuse_with(&s, field_of(17, 0), CHANNEL_ABSENT); /* with memory */
    refuse_with(&s, field_of(17, 0), CHANNEL_RELEASED);
    refuse_with(&s, field_of(1, 4), 70); /* rings: BUILDING, another channel's, nobody's */
    refuse_with(&s, field_of(1, 4), 72);
    refuse_with(&s, field_of(1, 4), 99);
    refuse_with(&s, field_of(1, 5), LAB_VPS);
    refuse_with(&s, field_of(1, 6), 1); /* where they are split */
    refuse_with(&s, field_of(1, 6), LAB_RING_PAGES);
    refuse_with(&s, field_of(1, 7), 9); /* answers that are due */
    refuse_with(&s, field_of(17, 7), 1);
    refuse_with(&s, field_of(2, 8), 2);
    refuse_with(&s, field_of(1, 8), 1); /* to open again, though open */
    refuse_with(&s, field_of(33, 8), 1);
    refuse_with(&s, AT_GPADLS, 4);
    refuse_with(&s, AT_GPADLS, 6);
    refuse_with(&s, AT_GPADLS, GPADLS_MAX + 1);
    refuse_with(&s, AT_GPADLS, UINT32_MAX);
}
END_TEST

START_TEST(lists_that_cannot_be_are_refused)
{
    static struct state s;

    script(nothing);
    save(&l->v, &s);
    refuse_with(&s, list_field(3, 0), GPADL_FREE);
    refuse_with(&s, list_field(3, 0), GPADL_STATES);
    refuse_with(&s, list_field(3, 0), GPADL_BUILDING); /* though all is there */
    refuse_with(&s, list_field(0, 0), GPADL_CREATED);  /* though not all is there */
    refuse_with(&s, list_field(3, 1), 72);             /* a name twice */
    refuse_with(&s, list_field(3, 2), 0);
    refuse_with(&s, list_field(3, 2), 65);
    refuse_with(&s, list_field(3, 2), 33); /* no pool is there */
    refuse_with(&s, list_field(3, 2), 25 + 1);
    refuse_with(&s, list_field(3, 3), 0);
    refuse_with(&s, list_field(3, 3), 3 * 4096 + 1);
    refuse_with(&s, list_field(3, 3), 2 * 4096);
    refuse_with(&s, list_field(3, 4), 4096);
    refuse_with(&s, list_field(1, 4), 1); /* rings begin with a page */
    refuse_with(&s, list_field(3, 5), 0);
    refuse_with(&s, list_field(3, 5), GPADL_PAGES_MAX + 1);
    refuse_with(&s, list_field(3, 5), UINT32_MAX);
    refuse_with(&s, list_field(3, 6), 2);
    refuse_with(&s, list_field(0, 6), 30);
    refuse_with(&s, list_field(3, 7), 30); /* in another's part of the pool */
    refuse_with(&s, list_field(3, 7), VMBUS_POOL_PAGES - 2);
    refuse_with(&s, list_field(3, 7), UINT32_MAX);
}
END_TEST

/* --- what might be is harmless --- */

/* Whatever it holds: it can be saved, shown, used, and ended. */
static void use(struct vmbus_lab *other)
{
    static struct state s;

    vmbus_publish(&other->v);
    lab_look(other);
    for (uint32_t relid = 0; relid <= VMBUS_CHANNELS + 1; relid++) {
        lab_gpadl(other, relid, 1000 + relid, 27, 0);
        lab_say_open(other, relid, 1000 + relid);
        SAY(other, 22, relid, 0);
        SAY(other, 11, relid, 1000 + relid);
        SAY(other, 7, relid);
        while (lab_next(other) != NULL)
            continue;
    }
    lab_body(other, 70, 0, 28);
    save(&other->v, &s);
    SAY_PLAIN(other, 16);
    for (uint32_t relid = 1; relid <= VMBUS_CHANNELS; relid++)
        lab_ack(other, relid, 0);
    ck_assert_uint_eq(other->v.phase, VMBUS_DISCONNECTED);
    lab_connect(other, 0xf);
}

START_TEST(every_changed_byte_is_refused_or_harmless)
{
    static const uint8_t flips[] = {1, 2, 4, 8, 0x10, 0x80, 0xff};
    enum { USED = 16 }; /* one in so many that are taken; all would take minutes */
    static struct vmbus_lab other;
    static struct state s;
    unsigned taken = 0, refused = 0;

    script(nothing);
    save(&l->v, &s);
    for (size_t at = 0; at < s.len; at++) {
        for (size_t i = 0; i < COUNT_OF(flips); i++) {
            memcpy(&other, l, sizeof(other));
            lab_attach(&other, &other.v);
            s.bytes[at] ^= flips[i];
            if (load(&other.v, s.bytes, s.len) < 0) {
                refused++;
            } else if (++taken % USED == 0) {
                use(&other);
            }
            s.bytes[at] ^= flips[i];
        }
    }
    ck_assert_uint_gt(taken, 1000);
    ck_assert_uint_gt(refused, 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmbus_state");
    TCase *t = tcase_create("vmbus_state");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 180);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_fresh_state_comes_back);
    tcase_add_test(t, every_step_comes_back);
    tcase_add_test(t, a_successor_shows_what_was_committed);
    tcase_add_test(t, the_fullest_state_fits);
    tcase_add_test(t, a_state_of_the_first_schema_is_read);
    tcase_add_test(t, cut_and_long_states_are_refused);
    tcase_add_test(t, numbers_that_cannot_be_are_refused);
    tcase_add_test(t, lists_that_cannot_be_are_refused);
    tcase_add_test(t, every_changed_byte_is_refused_or_harmless);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
