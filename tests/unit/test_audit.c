#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/audit.h"

static struct audit_page page;

static void add_to(enum audit_ring ring, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        struct audit_record r = {
            .time_ns = i, .verb = 1, .role = ROLE_VIEWER, .ring = (uint8_t)ring};

        (void)snprintf(r.who, sizeof(r.who), "operator-%llu", (unsigned long long)i);
        audit_add(&page, &r);
    }
}

static void add(uint64_t n)
{
    add_to(AUDIT_DONE, n);
}

/* The number of the first one that does not follow; 0: all do. */
static uint64_t first_broken_of(enum audit_ring ring)
{
    struct audit_record before = {0}, r;

    for (uint64_t seq = audit_oldest(&page, ring); audit_get(&page, ring, seq, &r) == 0; seq++) {
        if ((before.seq != 0 || seq == 1) && !audit_follows(before.seq != 0 ? &before : NULL, &r))
            return seq;
        before = r;
    }
    return 0;
}

static uint64_t first_broken(void)
{
    return first_broken_of(AUDIT_DONE);
}

static void begin(void)
{
    memset(&page, 0, sizeof(page));
}

START_TEST(records_follow_one_another)
{
    struct audit_record r;

    ck_assert_int_eq(audit_get(&page, AUDIT_DONE, 1, &r), -ENOENT);
    ck_assert_int_eq(audit_get(&page, AUDIT_DONE, 0, &r), -ENOENT);
    add(10);
    ck_assert_int_eq(audit_get(&page, AUDIT_DONE, 10, &r), 0);
    ck_assert_str_eq(r.who, "operator-9");
    ck_assert_int_eq(audit_get(&page, AUDIT_DONE, 11, &r), -ENOENT);
    ck_assert_uint_eq(first_broken(), 0);
}
END_TEST

START_TEST(old_ones_make_room)
{
    struct audit_record r;

    add(AUDIT_KEPT + 100);
    ck_assert_uint_eq(audit_oldest(&page, AUDIT_DONE), 101);
    ck_assert_int_eq(audit_get(&page, AUDIT_DONE, 100, &r), -ENOENT);
    ck_assert_int_eq(audit_get(&page, AUDIT_DONE, 101, &r), 0);
    ck_assert_uint_eq(first_broken(), 0);
}
END_TEST

/* Killed in the middle of a record, diag leaves the ones before whole. */
START_TEST(one_half_written_breaks_nothing)
{
    add(2 * AUDIT_RECORDS);
    memset(&page.rings[AUDIT_DONE].records[0], 0xee,
           sizeof(page.rings[AUDIT_DONE].records[0])); /* where the next one belongs */
    ck_assert_uint_eq(first_broken(), 0);
    add(1);
    ck_assert_uint_eq(first_broken(), 0);
}
END_TEST

START_TEST(a_change_shows)
{
    static const size_t at[] = {
        offsetof(struct audit_record, seq), offsetof(struct audit_record, who),
        offsetof(struct audit_record, decision), offsetof(struct audit_record, target) + 7,
        offsetof(struct audit_record, hash)};
    uint8_t *bytes = (uint8_t *)&page.rings[AUDIT_DONE].records[4];

    add(10);
    bytes[at[_i]] ^= 1;
    ck_assert_uint_eq(first_broken(), 5);
}
END_TEST

START_TEST(one_taken_out_shows)
{
    add(10);
    memmove(&page.rings[AUDIT_DONE].records[4], &page.rings[AUDIT_DONE].records[5],
            5 * sizeof(page.rings[AUDIT_DONE].records[0]));
    ck_assert_uint_eq(first_broken(), 5);
}
END_TEST

/* Who only reads, and reads without end, makes nobody forget what was done. */
START_TEST(each_ring_has_its_room)
{
    struct audit_record done, seen;

    add(3);
    add_to(AUDIT_SEEN, 3 * AUDIT_RECORDS);
    add(1);
    ck_assert_uint_eq(audit_oldest(&page, AUDIT_DONE), 1);
    ck_assert_int_eq(audit_get(&page, AUDIT_DONE, 4, &done), 0);
    ck_assert_int_eq(audit_get(&page, AUDIT_DONE, 5, &done), -ENOENT);
    ck_assert_uint_gt(audit_oldest(&page, AUDIT_SEEN), AUDIT_RECORDS);
    ck_assert_uint_eq(first_broken(), 0);
    ck_assert_uint_eq(first_broken_of(AUDIT_SEEN), 0);
    /* One put into the other ring does not follow there. */
    ck_assert_int_eq(audit_get(&page, AUDIT_DONE, 3, &done), 0);
    seen = done;
    seen.seq = 4;
    seen.ring = AUDIT_SEEN;
    audit_hash(&seen, done.hash, seen.hash);
    ck_assert(!audit_follows(&done, &seen));
}
END_TEST

START_TEST(texts_end)
{
    struct audit_record r;

    add(1);
    memset(page.rings[AUDIT_DONE].records[0].who, 'a', AUDIT_WHO_BYTES + AUDIT_TARGET_BYTES);
    ck_assert_int_eq(audit_get(&page, AUDIT_DONE, 1, &r), 0);
    ck_assert_uint_eq(strlen(r.who), AUDIT_WHO_BYTES - 1);
    ck_assert_uint_eq(strlen(r.target), AUDIT_TARGET_BYTES - 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("audit");
    TCase *t = tcase_create("audit");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, begin, NULL);
    tcase_add_test(t, records_follow_one_another);
    tcase_add_test(t, old_ones_make_room);
    tcase_add_test(t, one_half_written_breaks_nothing);
    tcase_add_loop_test(t, a_change_shows, 0, 5);
    tcase_add_test(t, one_taken_out_shows);
    tcase_add_test(t, each_ring_has_its_room);
    tcase_add_test(t, texts_end);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
