/*
 * Commands that are logged instead of committed, and executed again by a successor.
 */
#include <errno.h>

#include "tests/fakes/tpm_dialog.h"

enum {
    ROUNDS = 3 * REGION_RECORDS,
};

/* As many extends; the model has them too. */
static void extend(unsigned n, uint8_t model[32])
{
    for (unsigned i = 0; i < n; i++) {
        const uint8_t digest[32] = {(uint8_t)i, (uint8_t)n};

        send_ok(tpm_pcr_extend(TPM_TEST_PCR, digest));
        model_extend(model, digest);
    }
}

static void expect_pcr(const uint8_t model[32])
{
    uint8_t pcr[32];

    read_pcr(TPM_TEST_PCR, pcr);
    ck_assert_mem_eq(pcr, model, 32);
}

START_TEST(extends_are_redone_by_a_successor)
{
    uint8_t model[32] = {0};

    for (unsigned n = 1; n < ROUNDS; n += 7) {
        extend(n, model);
        fake_vtpm_restart(&f);
        ck_assert_uint_le(row("tpm/redone"), REGION_RECORDS);
        expect_pcr(model);
    }
}
END_TEST

START_TEST(the_log_is_used_and_then_becomes_a_commit)
{
    uint8_t model[32] = {0};
    uint64_t exports;

    extend(1, model);
    exports = row("tpm/exports");
    for (unsigned i = f.worker.region.n_records; i < REGION_RECORDS; i++)
        extend(1, model);
    ck_assert_uint_eq(row("tpm/exports"), exports);
    ck_assert_uint_eq(f.worker.region.n_records, REGION_RECORDS);
    fake_vtpm_restart(&f);
    ck_assert_uint_gt(row("tpm/redone"), 1);
    fake_vtpm_restart(&f); /* from the same log once more */
    expect_pcr(model);
}
END_TEST

/* A parked worker has no TPM, but it commits: what was logged must outlive that. */
START_TEST(a_parked_tpm_keeps_what_is_to_be_redone)
{
    uint8_t model[32] = {0};

    extend(5, model);
    f.parked = true;
    fake_vtpm_restart(&f);
    for (unsigned i = 0; i < REGION_RECORDS + 5; i++)
        ck_assert_uint_eq(send(tpm_get_random(8)), COMMAND_RC_FAILURE);
    fake_vtpm_restart(&f);
    f.parked = false;
    fake_vtpm_restart(&f);
    ck_assert_uint_ge(row("tpm/redone"), 4);
    expect_pcr(model);
    extend(1, model);
    fake_vtpm_restart(&f);
    expect_pcr(model);
}
END_TEST

START_TEST(a_refused_extend_is_not_redone)
{
    struct tpm_bytes c = tpm_pcr_extend(99, (const uint8_t[32]){1}); /* no such PCR */
    uint8_t model[32] = {0};

    extend(2, model);
    ck_assert_uint_ne(send(c), 0);
    fake_vtpm_restart(&f);
    expect_pcr(model);
}
END_TEST

static struct redo list;

/* The promise of an add that failed is that nothing was added. */
START_TEST(a_full_list_takes_no_more_and_stays_whole)
{
    static const uint8_t command[400] = {1};
    size_t len = 0;

    while (redo_add(&list, 0, command, sizeof(command)))
        len = list.len;
    ck_assert_uint_eq(list.len, len);
    ck_assert_uint_gt(len, sizeof(list.bytes) - sizeof(command) - 3);
    redo_forget(&list);
    ck_assert_uint_eq(list.len, 0);
    ck_assert_uint_eq(list.bytes[0], 0);
}
END_TEST

START_TEST(a_list_that_is_none_is_refused)
{
    static const uint8_t bytes[REDO_BYTES_MAX + 1] = {[0] = 4, [1] = 12};
    const struct span all = {bytes, sizeof(bytes)};
    struct span s = {bytes, 3};
    unsigned n = 7;

    ck_assert_int_eq(redo_load(&list, all), -EBADMSG);
    ck_assert_int_eq(redo_load(&list, s), 0);
    ck_assert_int_eq(redo_all(&list, &f.vtpm.tpm, &n), -EBADMSG); /* 12 bytes that are not there */
    redo_forget(&list);
    s.at = (const uint8_t *)"\5\0\0"; /* locality 5 */
    ck_assert_int_eq(redo_load(&list, s), 0);
    ck_assert_int_eq(redo_all(&list, &f.vtpm.tpm, &n), -EBADMSG);
    redo_forget(&list);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        extends_are_redone_by_a_successor,         the_log_is_used_and_then_becomes_a_commit,
        a_parked_tpm_keeps_what_is_to_be_redone,   a_refused_extend_is_not_redone,
        a_full_list_takes_no_more_and_stays_whole, a_list_that_is_none_is_refused,
    };
    Suite *s = suite_create("redo");
    TCase *t = tcase_create("redo");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, teardown);
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
