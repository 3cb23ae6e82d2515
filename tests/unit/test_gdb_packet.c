#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workers/debug/gdb_packet.h"

static struct gdb_packet p;

static void set_up(void)
{
    memset(&p, 0, sizeof(p));
}

/* The last token of a text. */
static enum gdb_token take(const char *text)
{
    enum gdb_token token = GDB_NOTHING;

    for (size_t i = 0; i < strlen(text); i++) {
        if (i > 0)
            ck_assert_int_ne(token, GDB_PACKET);
        token = gdb_packet_take(&p, (uint8_t)text[i]);
    }
    return token;
}

START_TEST(a_packet_is_taken)
{
    ck_assert_int_eq(take("$m1000,4#8e"), GDB_PACKET);
    ck_assert_uint_eq(p.len, 7);
    ck_assert_str_eq((char *)p.body, "m1000,4");
    ck_assert_int_eq(take("$#00"), GDB_PACKET);
    ck_assert_uint_eq(p.len, 0);
}
END_TEST

START_TEST(signs_between_packets)
{
    ck_assert_int_eq(take("+"), GDB_ACK);
    ck_assert_int_eq(take("-"), GDB_NAK);
    ck_assert_int_eq(take("\003"), GDB_INTERRUPT);
    ck_assert_int_eq(take("noise#"), GDB_NOTHING);
    ck_assert_int_eq(take("$g#67"), GDB_PACKET);
}
END_TEST

START_TEST(escapes_are_undone)
{
    ck_assert_int_eq(take("$X}\003}\004}]#33"), GDB_PACKET);
    ck_assert_uint_eq(p.len, 4);
    ck_assert_mem_eq(p.body, "X#$}", 4);
}
END_TEST

static const char *const bad[] = {"$g#68", "$g#6g", "$g#g7", "$g##67"};

START_TEST(a_wrong_sum_is_told)
{
    ck_assert_int_eq(take(bad[_i]) == GDB_PACKET, 0);
    ck_assert_int_eq(take("$g#67"), GDB_PACKET);
}
END_TEST

START_TEST(one_that_was_cut_off_is_dropped)
{
    ck_assert_int_eq(take("$m1000$g#67"), GDB_PACKET);
    ck_assert_str_eq((char *)p.body, "g");
}
END_TEST

/* The longest fits; one byte more is none, and what follows is taken again. */
START_TEST(too_long)
{
    uint8_t sum = 0;
    char tail[4];

    for (int extra = 0; extra < 2; extra++) {
        (void)gdb_packet_take(&p, '$');
        sum = 0;
        for (int i = 0; i < GDB_PACKET_MAX + extra; i++) {
            ck_assert_int_eq(gdb_packet_take(&p, 'a'), GDB_NOTHING);
            sum = (uint8_t)(sum + 'a');
        }
        (void)snprintf(tail, sizeof(tail), "#%02x", sum);
        ck_assert_int_eq(take(tail), extra == 0 ? GDB_PACKET : GDB_BAD);
    }
    ck_assert_int_eq(take("$g#67"), GDB_PACKET);
}
END_TEST

START_TEST(what_is_made_is_taken)
{
    uint8_t out[16];
    const size_t n = gdb_packet_make("OK", 2, out);
    enum gdb_token token = GDB_NOTHING;

    ck_assert_uint_eq(n, 6);
    ck_assert_mem_eq(out, "$OK#9a", 6);
    for (size_t i = 0; i < n; i++)
        token = gdb_packet_take(&p, out[i]);
    ck_assert_int_eq(token, GDB_PACKET);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gdb_packet");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, a_packet_is_taken);
    tcase_add_test(tests, signs_between_packets);
    tcase_add_test(tests, escapes_are_undone);
    tcase_add_loop_test(tests, a_wrong_sum_is_told, 0, 4);
    tcase_add_test(tests, one_that_was_cut_off_is_dropped);
    tcase_add_test(tests, too_long);
    tcase_add_test(tests, what_is_made_is_taken);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
