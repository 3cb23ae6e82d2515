#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "workers/net/net.h"

static struct net before, after;
static uint8_t bytes[NET_STATE_MAX];

static const struct nic_config config = {
    .mac = {2, 0, 0, 0, 0, 1},
      .mtu = 1500, .channels = 8, .link_up = true
};

static void set_up_one(struct net *s, unsigned index)
{
    struct nic *n = &s->nics[index];

    n->index = index;
    n->present = true;
    n->config = config;
    nvsp_reset(&n->nvsp, &n->config);
}

static size_t save(void)
{
    struct wr w = wr_over(bytes, sizeof(bytes));
    size_t len = 0;

    state_save(&before, &w);
    ck_assert_int_eq(wr_finish(&w, &len), 0);
    return len;
}

static int load(size_t len)
{
    struct rd r = rd_over(bytes, len);

    return state_load(&after, &r);
}

static void set_up(void)
{
    memset(&before, 0, sizeof(before));
    memset(&after, 0, sizeof(after));
    set_up_one(&before, 1);
    set_up_one(&after, 1);
}

START_TEST(a_successor_has_what_was_saved)
{
    struct nic *n = &before.nics[1];

    n->nvsp.version = NVSP_VERSION_6_1;
    n->nvsp.channels = 5;
    n->control = (struct control){.opening = 3, .number = 7, .answer_len = 2, .reply_len = 1};
    n->control.answer[1] = 9;
    ck_assert_int_eq(load(save()), 0);
    ck_assert_mem_eq(&after.nics[1].nvsp, &n->nvsp, sizeof(n->nvsp));
    ck_assert_uint_eq(after.nics[1].control.number, 7);
    ck_assert_uint_eq(after.nics[1].control.answer[1], 9);
}
END_TEST

START_TEST(what_is_cut_off_or_too_long_changes_nothing)
{
    size_t len;

    before.nics[1].nvsp.channels = 5;
    len = save();
    ck_assert_int_eq(load(len - 1), -EBADMSG);
    ck_assert_int_eq(load(len + 1), -EBADMSG);
    ck_assert_uint_eq(after.nics[1].nvsp.channels, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_state");
    TCase *t = tcase_create("net_state");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, a_successor_has_what_was_saved);
    tcase_add_test(t, what_is_cut_off_or_too_long_changes_nothing);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
