#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "workers/vtpm/command.h"

START_TEST(a_header_is_read_big_endian)
{
    static const uint8_t bytes[] = {0x80, 0x02, 0, 0, 0, 18,   0,    0, 0x01, 0x5d,
                                    0x80, 0x00, 0, 1, 0, 0xab, 0xcd, 0, 0xee, 0xee};
    struct command c;

    ck_assert_int_eq(command_parse(bytes, sizeof(bytes), &c), 0);
    ck_assert_uint_eq(c.tag, COMMAND_SESSIONS);
    ck_assert_uint_eq(c.len, 18);
    ck_assert_uint_eq(c.code, 0x15d);
    ck_assert_uint_eq(c.words[0], 0x80000001);
    ck_assert_uint_eq(c.words[1], 0x00abcd00);
}
END_TEST

START_TEST(handles_end_with_the_command)
{
    static const uint8_t bytes[] = {0x80, 0x01, 0, 0, 0, 13, 0, 0, 0x01,
                                    0x76, 1,    2, 3, 4, 5,  6, 7, 8};
    struct command c;

    ck_assert_int_eq(command_parse(bytes, sizeof(bytes), &c), 0);
    ck_assert_uint_eq(c.words[0], 0);
    ck_assert_uint_eq(c.words[1], 0);
}
END_TEST

START_TEST(a_size_that_lies_is_refused)
{
    uint8_t bytes[16] = {0x80, 0x01, 0, 0, 0, 9, 0, 0, 0x01, 0x7b};
    struct command c = {.code = 77};

    ck_assert_int_eq(command_parse(bytes, sizeof(bytes), &c), -EBADMSG);
    bytes[5] = 17;
    ck_assert_int_eq(command_parse(bytes, sizeof(bytes), &c), -EBADMSG);
    bytes[2] = 0xff;
    ck_assert_int_eq(command_parse(bytes, sizeof(bytes), &c), -EBADMSG);
    bytes[2] = 0;
    bytes[5] = 10;
    ck_assert_int_eq(command_parse(bytes, 9, &c), -EBADMSG);
    ck_assert_uint_eq(c.code, 77);
    ck_assert_int_eq(command_parse(bytes, sizeof(bytes), &c), 0);
}
END_TEST

static enum command_class class_of(uint32_t code, uint16_t tag)
{
    struct command c = {.tag = tag, .len = COMMAND_HEADER_BYTES, .code = code};

    return command_find(&c)->class;
}

START_TEST(commands_have_their_class)
{
    ck_assert_int_eq((int)class_of(0x17a, COMMAND_NO_SESSIONS), COMMAND_READ_ONLY);
    ck_assert_int_eq((int)class_of(0x17e, COMMAND_NO_SESSIONS), COMMAND_READ_ONLY);
    ck_assert_int_eq((int)class_of(0x131, COMMAND_SESSIONS), COMMAND_LONG);   /* CreatePrimary */
    ck_assert_int_eq((int)class_of(0x158, COMMAND_SESSIONS), COMMAND_BY_KEY); /* Quote */
    ck_assert_int_eq((int)class_of(0xdeadbeef, COMMAND_SESSIONS), COMMAND_SHORT);
}
END_TEST

START_TEST(only_an_empty_password_can_be_redone)
{
    struct command c = {
        .tag = COMMAND_SESSIONS,
        .code = 0x182, /* PCR_Extend */
        .words = {16, COMMAND_EMPTY_PASSWORD_BYTES, COMMAND_SESSION_PASSWORD}
    };

    ck_assert_int_eq((int)command_find(&c)->class, COMMAND_REDO);
    c.words[1]++; /* a password, or another session */
    ck_assert_int_eq((int)command_find(&c)->class, COMMAND_SHORT);
    c.words[1]--;
    c.words[2] = 0x02000000; /* a session with nonces */
    ck_assert_int_eq((int)command_find(&c)->class, COMMAND_SHORT);
    c.words[2] = COMMAND_SESSION_PASSWORD;
    c.tag = COMMAND_NO_SESSIONS;
    ck_assert_int_eq((int)command_find(&c)->class, COMMAND_SHORT);
}
END_TEST

START_TEST(sessions_make_any_command_change_state)
{
    ck_assert_int_eq((int)class_of(0x17b, COMMAND_NO_SESSIONS), COMMAND_READ_ONLY);
    ck_assert_int_eq((int)class_of(0x17b, COMMAND_SESSIONS), COMMAND_SHORT);
    ck_assert_int_eq((int)class_of(0x173, COMMAND_SESSIONS), COMMAND_SHORT);
    ck_assert_int_eq((int)class_of(0x17b, 0x1234), COMMAND_SHORT);
}
END_TEST

START_TEST(each_code_has_one_row_and_a_reason)
{
    for (uint32_t code = 0x100; code < 0x200; code++) {
        struct command c = {.tag = COMMAND_NO_SESSIONS, .code = code};
        const struct command_row *row = command_find(&c);

        ck_assert(row->reason[0] != '\0');
        ck_assert_uint_lt(row->key, 2);
    }
}
END_TEST

START_TEST(an_error_is_a_whole_response)
{
    uint8_t out[COMMAND_HEADER_BYTES];
    static const uint8_t want[] = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x09};

    command_error(COMMAND_RC_CANCELED, out);
    ck_assert_mem_eq(out, want, sizeof(want));
    ck_assert_uint_eq(command_response_code(out, sizeof(out)), COMMAND_RC_CANCELED);
    ck_assert_uint_eq(command_response_code(out, 9), COMMAND_RC_FAILURE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tpm_command");
    TCase *t = tcase_create("tpm_command");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(t, a_header_is_read_big_endian);
    tcase_add_test(t, handles_end_with_the_command);
    tcase_add_test(t, a_size_that_lies_is_refused);
    tcase_add_test(t, commands_have_their_class);
    tcase_add_test(t, only_an_empty_password_can_be_redone);
    tcase_add_test(t, sessions_make_any_command_change_state);
    tcase_add_test(t, each_code_has_one_row_and_a_reason);
    tcase_add_test(t, an_error_is_a_whole_response);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
