#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "workers/diag/log_filter.h"

static void expect(const char *line, const char *seen)
{
    char text[LOG_FILTERED_BYTES];

    log_filter(line, text);
    ck_assert_str_eq(text, seen);
}

START_TEST(what_the_code_says_is_seen)
{
    expect("vtpm: generation 3 serves", "vtpm: generation 3 serves");
    expect("vtpm: generation 3 serves, errors only", "vtpm: generation 3 serves, errors only");
    expect("storage: too many faults: parked; revive it when mended",
           "storage: too many faults: parked; revive it when mended");
    expect("a command broke the TPM and was undone", "a command broke the TPM and was undone");
    expect("nic 0: the guest broke ring 2: stopped until it is closed",
           "nic 0: the guest broke ring 2: stopped until it is closed");
    expect("operator: nic 1, link down", "operator: nic 1, link down");
}
END_TEST

START_TEST(what_may_be_the_guests_is_not)
{
    expect("guest: Kernel panic: the key is 0123456789abcdef", "guest: [withheld]");
    expect("vtpm 2 runs, pid 7, build 0123456789abcdef0123456789abcdef01234567",
           "vtpm 2 runs, pid 7, build [withheld]");
    expect("secret: generation 3 serves", "[withheld]: generation 3 serves");
    expect("vtpm: generation 3 serves my master", "vtpm: generation 3 serves[withheld]");
    expect("vtpm: generation secret serves", "[withheld]");
    expect("vtpm: generation 123456789012345678901 serves", "[withheld]"); /* no number of ours */
    expect("whatever nobody ever logs", "[withheld]");
    expect("", "[withheld]");
    expect("disk 0:1: secret", "disk 0:1: [withheld]");
    expect("a command broke the TPM and was undone secret", "[withheld]");
}
END_TEST

/* However it is hidden, no secret comes through: whatever the template, of the line only numbers and known words do. */
START_TEST(no_secret_comes_through)
{
    static const char secret[] = "CANARY";

    for (const char *const *t = log_templates; *t != NULL; t++) {
        char line[512], seen[LOG_FILTERED_BYTES];
        size_t len = 0;

        for (const char *c = *t; *c != '\0'; c++)
            len +=
                (size_t)snprintf(line + len, sizeof(line) - len, *c > '\3' ? "%c" : "CANARY", *c);
        line[BOARD_LOG_TEXT_BYTES] = '\0';
        log_filter(line, seen);
        ck_assert_msg(strstr(seen, secret) == NULL, "%s", seen);
    }
}
END_TEST

/* Without templates everything is withheld, and nobody would notice. */
START_TEST(the_code_was_looked_at)
{
    size_t n = 0;

    for (const char *const *t = log_templates; *t != NULL; t++)
        n++;
    ck_assert_uint_gt(n, 20);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log_filter");
    TCase *t = tcase_create("log_filter");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_test(t, what_the_code_says_is_seen);
    tcase_add_test(t, what_may_be_the_guests_is_not);
    tcase_add_test(t, no_secret_comes_through);
    tcase_add_test(t, the_code_was_looked_at);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
