#include "tests/unit/scsi_ask.h"

enum action {
    REGISTER = 0,
    RESERVE = 1,
    RELEASE = 2,
    CLEAR = 3,
    PREEMPT = 4,
    PREEMPT_AND_ABORT = 5,
    REGISTER_AND_IGNORE = 6,
};

enum {
    A = 1,
    B = 2,
    C = 3,
    LIST = 24,
};

static struct ask a;

static void setup(void)
{
    ask_disk(&a);
}

static void out(uint64_t who, enum action action, unsigned type, uint64_t key, uint64_t action_key)
{
    a.initiator = who;
    memset(a.out, 0, LIST);
    ask_put(&a, 0, 8, key);
    ask_put(&a, 8, 8, action_key);
    ASK_OUT(&a, LIST, 0x5f, (uint8_t)action, (uint8_t)type, 0, 0, 0, 0, 0, LIST);
}

static void does(uint64_t who, enum action action, unsigned type, uint64_t key, uint64_t action_key)
{
    out(who, action, type, key, action_key);
    ask_does(&a, SCSI_IO_NONE);
}

static void conflicts(uint64_t who, enum action action, unsigned type, uint64_t key,
                      uint64_t action_key)
{
    out(who, action, type, key, action_key);
    ask_is_conflict(&a);
    ck_assert(!a.answer.changed);
}

static void in(uint8_t action)
{
    ASK_IN(&a, 0x5e, action, 0, 0, 0, 0, 0, 0x10, 0);
    ask_is_good(&a);
}

static void register_two(void)
{
    does(A, REGISTER, 0, 0, 0xa);
    does(B, REGISTER, 0, 0, 0xb);
}

static bool may(uint64_t who, bool write)
{
    a.initiator = who;
    if (write)
        ASK_OUT(&a, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
    else
        ASK_IN(&a, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
    if (a.answer.status == SCSI_RESERVATION_CONFLICT) {
        ask_is_conflict(&a);
        return false;
    }
    ask_moves(&a, write ? SCSI_IO_WRITE : SCSI_IO_READ, 0, 512);
    return true;
}

/* The next command of who is told this, and the one after it is not. */
static void is_told(uint64_t who, unsigned ascq)
{
    a.initiator = who;
    ASK_NONE(&a, 0x00);
    ask_fails(&a, 6, 0x2a, ascq);
    ck_assert(a.answer.changed);
    ASK_NONE(&a, 0x00);
    ask_is_good(&a);
}

static void is_told_nothing(uint64_t who)
{
    a.initiator = who;
    ASK_NONE(&a, 0x00);
    ask_is_good(&a);
}

/* --- registrations --- */

START_TEST(keys_are_registered_changed_and_taken_back)
{
    does(A, REGISTER, 0, 0, 0); /* nothing */
    ck_assert(!a.answer.changed);
    does(A, REGISTER, 0, 0, 0xa);
    ck_assert(a.answer.changed);
    conflicts(A, REGISTER, 0, 0, 0xa2); /* it has one */
    conflicts(B, REGISTER, 0, 0xa, 0xb);
    does(A, REGISTER, 0, 0xa, 0xa2);
    does(B, REGISTER_AND_IGNORE, 0, 0x77, 0xb);
    does(B, REGISTER_AND_IGNORE, 0, 0x77, 0xb2);
    in(0);
    ck_assert_uint_eq(ask_field(&a, 0, 8), UINT64_C(4) << 32 | 16);
    ck_assert_uint_eq(ask_field(&a, 8, 8), 0xa2);
    ck_assert_uint_eq(ask_field(&a, 16, 8), 0xb2);
    does(A, REGISTER, 0, 0xa2, 0);
    does(B, REGISTER_AND_IGNORE, 0, 0, 0);
    in(0);
    ck_assert_uint_eq(ask_field(&a, 0, 8), UINT64_C(6) << 32);
}
END_TEST

START_TEST(the_table_has_an_end)
{
    for (uint64_t who = 1; who <= SCSI_REGISTRANTS_MAX; who++)
        does(who, REGISTER, 0, 0, who);
    out(9, REGISTER, 0, 0, 9);
    ask_fails(&a, 5, 0x55, 4);
    ck_assert(!a.answer.changed);
    does(4, REGISTER, 0, 4, 0);
    does(9, REGISTER, 0, 0, 9);
}
END_TEST

START_TEST(lists_must_be_whole_and_of_known_form)
{
    for (uint8_t len = 0; len < 30; len++) {
        if (len == LIST)
            continue;
        ASK_OUT(&a, len, 0x5f, REGISTER, 0, 0, 0, 0, 0, 0, LIST);
        if (len < LIST)
            ask_fails(&a, 5, 0x1a, 0);
        ASK_OUT(&a, 30, 0x5f, REGISTER, 0, 0, 0, 0, 0, 0, len);
        ask_fails(&a, 5, 0x1a, 0);
    }
    ASK_NONE(&a, 0x5f, REGISTER, 0, 0, 0, 0, 0, 0, LIST);
    ask_fails(&a, 5, 0x1a, 0);
    for (uint8_t flag = 2; flag < 4; flag++) {
        memset(a.out, 0, LIST);
        a.out[20] = (uint8_t)(1u << flag); /* ALL_TG_PT, SPEC_I_PT */
        ASK_OUT(&a, LIST, 0x5f, REGISTER, 0, 0, 0, 0, 0, 0, LIST);
        ask_points_to(&a, false, 20);
    }
    out(A, (enum action)7, 0, 0, 1);
    ask_points_to(&a, true, 1);
    ASK_IN(&a, 0x5e, 4);
    ask_points_to(&a, true, 1);
    ASK_IN(&a, 0x5f, REGISTER, 0, 0, 0, 0, 0, 0, LIST);
    ask_fails(&a, 5, 0x24, 0);
}
END_TEST

START_TEST(power_loss_only_where_it_is_survived)
{
    memset(a.out, 0, LIST);
    ask_put(&a, 8, 8, 0xa);
    a.out[20] = 1; /* APTPL */
    ASK_OUT(&a, LIST, 0x5f, REGISTER, 0, 0, 0, 0, 0, 0, LIST);
    ask_points_to(&a, false, 20);
    in(2);
    ck_assert_uint_eq(ask_field(&a, 0, 8), 0x00080080ea010000);
    a.lun.config.persistent = true;
    a.out[20] = 1;
    ASK_OUT(&a, LIST, 0x5f, REGISTER, 0, 0, 0, 0, 0, 0, LIST);
    ask_is_good(&a);
    ck_assert_uint_eq(a.lun.state.flags, SCSI_APTPL);
    in(2);
    ck_assert_uint_eq(ask_field(&a, 0, 8), 0x00080181ea010000);
    does(ASK_GUEST, REGISTER, 0, 0xa, 0xa2); /* the last one counts */
    ck_assert_uint_eq(a.lun.state.flags, 0);
}
END_TEST

/* --- reservations --- */

struct access_row {
    unsigned type;
    bool registrant_writes, registrant_reads, stranger_writes, stranger_reads;
};

START_TEST(types_differ_in_who_may_what)
{
    static const struct access_row rows[] = {
        {1, false, true,  false, true },
        {3, false, false, false, false},
        {5, true,  true,  false, true },
        {6, true,  true,  false, false},
        {7, true,  true,  false, true },
        {8, true,  true,  false, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct access_row *row = &rows[i];

        setup();
        register_two();
        does(A, RESERVE, row->type, 0xa, 0);
        ck_assert(may(A, true));
        ck_assert(may(A, false));
        ck_assert_int_eq(may(B, true), row->registrant_writes);
        ck_assert_int_eq(may(B, false), row->registrant_reads);
        ck_assert_int_eq(may(C, true), row->stranger_writes);
        ck_assert_int_eq(may(C, false), row->stranger_reads);
    }
}
END_TEST

struct command_row {
    uint8_t cdb[SCSI_CDB_BYTES];
    bool write_exclusive, exclusive_access, old; /* a stranger may have it */
};

/* @spec SPC-4 table 63, SBC-3 table 12, SPC-2 table 9 */
static const struct command_row commands[] = {
    {{0x00},             true,  true,  false},
    {{0x03},             true,  true,  true },
    {{0x12},             true,  true,  true },
    {{0x25},             true,  true,  false},
    {{0x9e, 0x10},       true,  true,  false},
    {{0x5e},             true,  true,  false},
    {{0x1b, 0, 0, 0, 1}, true,  true,  false},
    {{0x1e, 0, 0, 0, 0}, true,  true,  true },
    {{0x17},             false, false, true }, /* under a persistent one, RELEASE always conflicts */
    {{0x57},             false, false, true },
    {{0x08},             true,  false, false},
    {{0x28},             true,  false, false},
    {{0x88},             true,  false, false},
    {{0xa8},             true,  false, false},
    {{0x2f},             true,  false, false},
    {{0x8f},             true,  false, false},
    {{0xaf},             true,  false, false},
    {{0x9e, 0x12},       true,  false, false},
    {{0x1a, 0, 8},       true,  false, false},
    {{0x5a, 0, 8},       true,  false, false},
    {{0x0a},             false, false, false},
    {{0x2a},             false, false, false},
    {{0x8a},             false, false, false},
    {{0xaa},             false, false, false},
    {{0x2e},             false, false, false},
    {{0x8e},             false, false, false},
    {{0xae},             false, false, false},
    {{0x41},             false, false, false},
    {{0x93},             false, false, false},
    {{0x42},             false, false, false},
    {{0x35},             false, false, false},
    {{0x91},             false, false, false},
    {{0x15},             false, false, false},
    {{0x55},             false, false, false},
    {{0x1d},             false, false, false},
    {{0x16},             false, false, false},
    {{0x56},             false, false, false},
    {{0x1b, 0, 0, 0, 0}, false, false, false},
    {{0x1e, 0, 0, 0, 1}, false, false, false},
};

static void stranger_may(const uint8_t *cdb, bool allowed)
{
    a.initiator = C;
    ask_as(&a, SCSI_NO_DATA, 0, cdb);
    ck_assert_msg((a.answer.status != SCSI_RESERVATION_CONFLICT) == allowed, "command %02x",
                  cdb[0]);
}

START_TEST(every_command_has_its_place_in_the_tables)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        setup();
        does(A, REGISTER, 0, 0, 0xa);
        does(A, RESERVE, 1, 0xa, 0);
        stranger_may(commands[i].cdb, commands[i].write_exclusive);
        does(A, RELEASE, 1, 0xa, 0);
        does(A, RESERVE, 3, 0xa, 0);
        stranger_may(commands[i].cdb, commands[i].exclusive_access);
        setup();
        a.initiator = A;
        ASK_NONE(&a, 0x16);
        ask_is_good(&a);
        stranger_may(commands[i].cdb, commands[i].old);
    }
}
END_TEST

START_TEST(a_conflict_of_mode_sense_has_the_page_all_the_same)
{
    a.lun.config.read_only = true;
    does(A, REGISTER, 0, 0, 0xa);
    does(A, RESERVE, 3, 0xa, 0);
    a.initiator = B;
    ASK_IN(&a, 0x1a, 0, 0x08, 0, 255);
    ask_is_conflict(&a);
    ck_assert_uint_eq(a.answer.in_len, 32); /* Linux takes it for good */
    ck_assert_uint_eq(ask_field(&a, 2, 1), 0x90);
}
END_TEST

START_TEST(only_registrants_with_their_key_reserve)
{
    conflicts(A, RESERVE, 1, 0, 0);
    register_two();
    conflicts(A, RESERVE, 1, 0xb, 0);
    out(A, RESERVE, 2, 0xa, 0); /* a type that there is not */
    ask_points_to(&a, true, 2);
    out(A, RESERVE, 0x11, 0xa, 0); /* of an extent */
    ask_points_to(&a, true, 2);
    does(A, RESERVE, 1, 0xa, 0);
    ck_assert(a.answer.changed);
    does(A, RESERVE, 1, 0xa, 0);
    ck_assert(!a.answer.changed);
    conflicts(A, RESERVE, 3, 0xa, 0);
    conflicts(B, RESERVE, 1, 0xb, 0);
    in(1);
    ck_assert_uint_eq(a.answer.in_len, 24);
    ck_assert_uint_eq(ask_field(&a, 0, 8), UINT64_C(2) << 32 | 16);
    ck_assert_uint_eq(ask_field(&a, 8, 8), 0xa);
    ck_assert_uint_eq(ask_field(&a, 21, 1), 1);
}
END_TEST

START_TEST(a_release_tells_those_who_shared)
{
    register_two();
    does(A, RELEASE, 1, 0xa, 0); /* nothing is reserved */
    does(A, RESERVE, 5, 0xa, 0);
    does(B, RELEASE, 5, 0xb, 0); /* not his */
    ck_assert(!a.answer.changed);
    conflicts(C, RELEASE, 5, 0xa, 0);
    conflicts(A, RELEASE, 5, 0xb, 0);
    out(A, RELEASE, 6, 0xa, 0);
    ask_fails(&a, 5, 0x26, 4);
    does(A, RELEASE, 5, 0xa, 0);
    is_told(B, 4);
    is_told_nothing(A);
    in(1);
    ck_assert_uint_eq(a.answer.in_len, 8);
    does(A, RESERVE, 1, 0xa, 0);
    does(A, RELEASE, 1, 0xa, 0);
    is_told_nothing(B);
}
END_TEST

START_TEST(what_all_hold_lasts_as_long_as_anybody)
{
    register_two();
    does(A, RESERVE, 8, 0xa, 0);
    does(B, RESERVE, 8, 0xb, 0); /* he holds it too */
    in(1);
    ck_assert_uint_eq(ask_field(&a, 8, 8), 0);
    does(A, REGISTER, 0, 0xa, 0);
    is_told_nothing(B);
    ck_assert(!may(A, false));
    ck_assert(may(B, true));
    does(B, REGISTER, 0, 0xb, 0);
    ck_assert(may(A, true));
}
END_TEST

START_TEST(a_holder_who_unregisters_releases)
{
    register_two();
    does(A, RESERVE, 6, 0xa, 0);
    does(A, REGISTER_AND_IGNORE, 0, 0, 0);
    is_told(B, 4);
    ck_assert(may(C, true));
}
END_TEST

START_TEST(clear_takes_all_and_tells)
{
    register_two();
    does(A, RESERVE, 3, 0xa, 0);
    conflicts(C, CLEAR, 0, 0xa, 0);
    does(B, CLEAR, 0, 0xb, 0);
    is_told(A, 3);
    is_told_nothing(B);
    in(0);
    ck_assert_uint_eq(ask_field(&a, 0, 8), UINT64_C(3) << 32);
}
END_TEST

START_TEST(preemption_takes_reservation_and_registration)
{
    register_two();
    does(C, REGISTER, 0, 0, 0xc);
    does(A, RESERVE, 5, 0xa, 0);
    conflicts(B, PREEMPT, 1, 0xa, 0xa); /* not his key */
    conflicts(B, PREEMPT, 1, 0xb, 0xd); /* nobody's */
    out(B, PREEMPT, 1, 0xb, 0);
    ask_points_to(&a, false, 8);
    out(B, PREEMPT, 2, 0xb, 0xa);
    ask_points_to(&a, true, 2);
    does(B, PREEMPT_AND_ABORT, 6, 0xb, 0xa);
    in(1);
    ck_assert_uint_eq(ask_field(&a, 8, 8), 0xb);
    ck_assert_uint_eq(ask_field(&a, 21, 1), 6);
    is_told(C, 4); /* it is of another type now */
    /* A conflict comes first; what it was told waits. */
    ck_assert(!may(A, true));
    is_told(A, 5);
    in(0);
    ck_assert_uint_eq(ask_field(&a, 4, 4), 16);
}
END_TEST

START_TEST(preemption_of_a_mere_registrant_leaves_the_reservation)
{
    register_two();
    does(C, REGISTER, 0, 0, 0xb); /* the same key */
    does(A, RESERVE, 6, 0xa, 0);
    does(B, PREEMPT, 0xf, 0xb, 0xb); /* itself too; the type is not looked at */
    ck_assert(!may(B, false));
    is_told_nothing(B);
    is_told(C, 5);
    ck_assert(may(A, true));
    ck_assert_uint_eq(a.lun.state.pr_type, 6);
}
END_TEST

START_TEST(a_holder_preempts_itself_to_change_the_type)
{
    register_two();
    does(A, RESERVE, 1, 0xa, 0);
    does(A, PREEMPT, 8, 0xa, 0xa);
    is_told(B, 4);
    in(0);
    ck_assert_uint_eq(ask_field(&a, 4, 4), 16);
    ck_assert_uint_eq(a.lun.state.pr_type, 8);
    does(B, PREEMPT, 3, 0xb, 0); /* 0: all others, of what all hold */
    ck_assert(!may(A, false));
    ck_assert_uint_eq(a.lun.state.pr_holder, B);
}
END_TEST

START_TEST(full_status_names_initiators)
{
    register_two();
    does(B, RESERVE, 5, 0xb, 0);
    in(3);
    ck_assert_uint_eq(a.answer.in_len, 8 + 2 * 48);
    ck_assert_uint_eq(ask_field(&a, 4, 4), 96);
    ck_assert_uint_eq(ask_field(&a, 8, 8), 0xa);
    ck_assert_uint_eq(ask_field(&a, 8 + 12, 2), 0);
    ck_assert_uint_eq(ask_field(&a, 8 + 28, 8), A);
    ck_assert_uint_eq(ask_field(&a, 56 + 12, 2), 0x0105);
    ck_assert_uint_eq(ask_field(&a, 56 + 20, 4), 24);
    ck_assert_uint_eq(ask_field(&a, 56 + 28, 8), B);
    for (uint8_t alloc = 0; alloc < 104; alloc++) {
        ASK_IN(&a, 0x5e, 3, 0, 0, 0, 0, 0, 0, alloc);
        ck_assert_uint_eq(a.answer.in_len, alloc);
    }
}
END_TEST

/* --- RESERVE and RELEASE --- */

START_TEST(the_old_reservation_and_the_new_exclude_each_other)
{
    a.initiator = A;
    ASK_NONE(&a, 0x56);
    ask_is_good(&a);
    ck_assert(a.answer.changed);
    ASK_NONE(&a, 0x16);
    ask_is_good(&a);
    ck_assert(!a.answer.changed);
    conflicts(A, REGISTER, 0, 0, 1);
    ASK_IN(&a, 0x5e, 0);
    ask_is_conflict(&a);
    a.initiator = B;
    ASK_NONE(&a, 0x16);
    ask_is_conflict(&a);
    ASK_NONE(&a, 0x17);
    ask_is_good(&a);
    ck_assert(!a.answer.changed);
    ck_assert(!may(B, false));
    ck_assert(may(A, true));
    a.initiator = A;
    ASK_NONE(&a, 0x17);
    ck_assert(a.answer.changed);
    ck_assert(may(B, true));
    does(A, REGISTER, 0, 0, 1);
    ASK_NONE(&a, 0x16);
    ask_is_conflict(&a);
    ASK_NONE(&a, 0x57);
    ask_is_conflict(&a);
    does(A, REGISTER, 0, 1, 0);
    ASK_NONE(&a, 0x16, 0x10);
    ask_points_to(&a, true, 1);
    ASK_NONE(&a, 0x16, 1);
    ask_points_to(&a, true, 1);
    ASK_NONE(&a, 0x56, 2);
    ask_points_to(&a, true, 1);
    ASK_NONE(&a, 0x16);
    scsi_reset(&a.lun);
    ck_assert(may(B, true));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scsi_pr");
    TCase *t = tcase_create("scsi_pr");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, keys_are_registered_changed_and_taken_back);
    tcase_add_test(t, the_table_has_an_end);
    tcase_add_test(t, lists_must_be_whole_and_of_known_form);
    tcase_add_test(t, power_loss_only_where_it_is_survived);
    tcase_add_test(t, types_differ_in_who_may_what);
    tcase_add_test(t, every_command_has_its_place_in_the_tables);
    tcase_add_test(t, a_conflict_of_mode_sense_has_the_page_all_the_same);
    tcase_add_test(t, only_registrants_with_their_key_reserve);
    tcase_add_test(t, a_release_tells_those_who_shared);
    tcase_add_test(t, what_all_hold_lasts_as_long_as_anybody);
    tcase_add_test(t, a_holder_who_unregisters_releases);
    tcase_add_test(t, clear_takes_all_and_tells);
    tcase_add_test(t, preemption_takes_reservation_and_registration);
    tcase_add_test(t, preemption_of_a_mere_registrant_leaves_the_reservation);
    tcase_add_test(t, a_holder_preempts_itself_to_change_the_type);
    tcase_add_test(t, full_status_names_initiators);
    tcase_add_test(t, the_old_reservation_and_the_new_exclude_each_other);
    suite_add_tcase(s, t);
    return ask_run(s);
}
