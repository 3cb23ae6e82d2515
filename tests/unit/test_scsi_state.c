#include <errno.h>

#include "tests/unit/scsi_ask.h"

enum {
    AT_TYPE = 12,
    AT_HOLDER = 16,
    AT_REGISTRANTS = 24,
    AT_OLD_HOLDER = AT_REGISTRANTS + 16 * SCSI_REGISTRANTS_MAX,
    AT_NOTICES = AT_OLD_HOLDER + 8,
};

static uint8_t bytes[SCSI_STATE_BYTES + 1];
static struct scsi_state state;

static void setup(void)
{
    state = (struct scsi_state){
        .attentions = SCSI_CAPACITY_CHANGED | SCSI_LUNS_CHANGED,
        .flags = SCSI_TRAY_OPEN | SCSI_APTPL,
        .pr_generation = 0xfffffffe,
        .pr_type = 6,
        .pr_holder = 2,
        .registrants = {{1, 11}, {0, 0}, {2, UINT64_MAX}},
        .notices = {{0, 0},       {5, SCSI_PR_RELEASED | SCSI_PR_UNREGISTERED}       },
    };
}

static void save(void)
{
    struct wr w = wr_over(bytes, SCSI_STATE_BYTES);
    size_t len = 0;

    scsi_state_save(&state, &w);
    ck_assert_int_eq(wr_finish(&w, &len), 0);
    ck_assert_uint_eq(len, SCSI_STATE_BYTES);
}

static int load(size_t len, struct scsi_state *ret)
{
    struct rd r = rd_over(bytes, len);

    return scsi_state_load(&r, ret);
}

START_TEST(state_comes_back)
{
    struct scsi_state back;
    uint8_t first[SCSI_STATE_BYTES];

    save();
    memcpy(first, bytes, sizeof(first));
    ck_assert_int_eq(load(SCSI_STATE_BYTES, &back), 0);
    ck_assert_uint_eq(back.pr_generation, 0xfffffffe);
    ck_assert_uint_eq(back.registrants[2].key, UINT64_MAX);
    ck_assert_uint_eq(back.notices[1].initiator, 5);
    state = back;
    save();
    ck_assert_int_eq(memcmp(first, bytes, sizeof(first)), 0);
}
END_TEST

START_TEST(a_fresh_state_is_zeros)
{
    struct scsi_state back;

    memset(bytes, 0, sizeof(bytes));
    ck_assert_int_eq(load(SCSI_STATE_BYTES, &back), 0);
    ck_assert_uint_eq(back.flags, 0);
}
END_TEST

START_TEST(truncated_state_is_refused_and_leaves_the_output)
{
    struct scsi_state back = {.pr_generation = 77};

    save();
    for (size_t len = 0; len < SCSI_STATE_BYTES; len++)
        ck_assert_int_eq(load(len, &back), -EBADMSG);
    ck_assert_uint_eq(back.pr_generation, 77);
}
END_TEST

static void is_refused(void)
{
    struct scsi_state back = {.pr_generation = 77};

    save();
    ck_assert_int_eq(load(SCSI_STATE_BYTES, &back), -EBADMSG);
    ck_assert_uint_eq(back.pr_generation, 77);
    setup();
}

START_TEST(impossible_state_is_refused)
{
    state.attentions |= SCSI_PR_RELEASED; /* of a reservation: somebody's */
    is_refused();
    state.attentions |= 64;
    is_refused();
    state.flags |= 64;
    is_refused();
    state.pr_type = 2;
    is_refused();
    state.pr_type = 9;
    is_refused();
    state.pr_type = 0; /* but a holder */
    is_refused();
    state.pr_holder = 3; /* who is not registered */
    is_refused();
    state.pr_holder = 0;
    is_refused();
    state.pr_type = 7; /* held by all, and by one */
    is_refused();
    state = (struct scsi_state){.pr_type = 8}; /* by nobody at all */
    is_refused();
    state.old_holder = 1; /* beside registrants */
    is_refused();
    state.registrants[3] = (struct scsi_registrant){2, 5}; /* twice */
    is_refused();
    state.registrants[3] = (struct scsi_registrant){4, 0};
    is_refused();
    state.registrants[3] = (struct scsi_registrant){0, 4};
    is_refused();
    state.notices[2] = (struct scsi_notice){5, SCSI_PR_RELEASED}; /* twice */
    is_refused();
    state.notices[2] = (struct scsi_notice){6, 0};
    is_refused();
    state.notices[2] = (struct scsi_notice){0, SCSI_PR_RELEASED};
    is_refused();
    state.notices[2] = (struct scsi_notice){6, SCSI_CAPACITY_CHANGED};
    is_refused();
}
END_TEST

START_TEST(what_is_held_by_all_comes_back)
{
    struct scsi_state back;

    state.pr_type = 8;
    state.pr_holder = 0;
    save();
    ck_assert_int_eq(load(SCSI_STATE_BYTES, &back), 0);
}
END_TEST

/* The layout is read by later versions: it does not move unnoticed. */
START_TEST(the_layout_is_what_it_was)
{
    save();
    ck_assert_uint_eq(bytes[AT_TYPE], 6);
    ck_assert_uint_eq(bytes[AT_HOLDER], 2);
    ck_assert_uint_eq(bytes[AT_REGISTRANTS + 8], 11);
    ck_assert_uint_eq(bytes[AT_NOTICES + 12], 5);
    ck_assert_uint_eq(AT_NOTICES + 12 * SCSI_NOTICES_MAX, SCSI_STATE_BYTES);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scsi_state");
    TCase *t = tcase_create("scsi_state");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, state_comes_back);
    tcase_add_test(t, a_fresh_state_is_zeros);
    tcase_add_test(t, truncated_state_is_refused_and_leaves_the_output);
    tcase_add_test(t, impossible_state_is_refused);
    tcase_add_test(t, what_is_held_by_all_comes_back);
    tcase_add_test(t, the_layout_is_what_it_was);
    suite_add_tcase(s, t);
    return ask_run(s);
}
