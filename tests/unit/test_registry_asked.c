#include "tests/unit/registry_case.h"

static struct nets_page nets;

/* --- what a generation may say, and when --- */

START_TEST(who_was_not_looked_at_asks_for_nothing)
{
    begin_running();
    say_died(PROCESS_DIAG, 1, STATUS_KILLED, false);
    expect_spawn(PROCESS_DIAG, 2, false);
    come_up(PROCESS_DIAG, 2);
    ask_restart(PROCESS_CHIPSET);
    expect_kill(PROCESS_DIAG, 2);
    expect_nothing();
}
END_TEST

START_TEST(who_is_to_die_asks_for_nothing)
{
    begin_running();
    lifecycle_kill(&s.reg, &row(PROCESS_DIAG)->live, DEATH_SANDBOX);
    expect_kill(PROCESS_DIAG, 1);
    ask_restart(PROCESS_CHIPSET);
    expect_nothing();
    ck_assert_int_eq(row(PROCESS_DIAG)->live.cause, DEATH_SANDBOX);
}
END_TEST

START_TEST(diag_that_serves_asks_for_a_restart)
{
    begin_running();
    ask_restart(PROCESS_CHIPSET);
    expect_spawn(PROCESS_CHIPSET, 2, false);
    expect_nothing();
}
END_TEST

START_TEST(a_change_of_a_disk_is_inits_and_answered)
{
    begin_running();
    ask_disk(TAG, STDIN_FILENO);
    expect_disk_change(TAG, 1);
    ask_disk(TAG + 1, -1);
    expect_nothing();
    expect_reply(TAG + 1, "another change of a disk is on its way");
    say_disk_changed(TAG, "it is no dvd drive");
    expect_reply(TAG, "it is no dvd drive");
    ask_disk(TAG + 2, -1);
    expect_disk_change(TAG + 2, 0);
    say_disk_changed(TAG + 2, "");
    expect_reply(TAG + 2, "");
    expect_nothing();
}
END_TEST

START_TEST(a_link_is_set_and_net_is_rung)
{
    Bulkhead__LinkChange change = BULKHEAD__LINK_CHANGE__INIT;
    uint64_t rings;

    begin_running();
    nets.rows[0].kind = NET_TAP;
    nets.rows[1].kind = NET_TAP;
    nets.rows[1].link_up = 1;
    links_init(&s.reg.links, &s.board, &nets, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    change.nic = 1;
    ask_link(&change);
    expect_reply(TAG, "");
    ck_assert_uint_eq(nets.rows[1].link_up, 0);
    ck_assert_str_eq(s.reg.links.shown[1]->text, "down");
    ck_assert_int_eq(read(s.reg.links.bell_fd, &rings, sizeof(rings)), sizeof(rings));
    change.up = true;
    ask_link(&change);
    expect_reply(TAG, "");
    ck_assert_uint_eq(nets.rows[1].link_up, 1);
    ck_assert_str_eq(s.reg.links.shown[1]->text, "up");
    expect_nothing();
}
END_TEST

START_TEST(a_link_of_no_nic_is_refused)
{
    static const char none[] =
        "no NIC of that number: `bulkhead inspect net` shows which there are";
    Bulkhead__LinkChange change = BULKHEAD__LINK_CHANGE__INIT;

    begin_running();
    links_init(&s.reg.links, &s.board, &nets, -1);
    ask_link(NULL);
    expect_reply(TAG, "no NIC named");
    change.up = true;
    ask_link(&change);
    expect_reply(TAG, "this VM has no NIC");
    nets.rows[0].kind = NET_TAP;
    change.nic = 1;
    ask_link(&change);
    expect_reply(TAG, none);
    ck_assert_uint_eq(nets.rows[1].link_up, 0);
    change.nic = UINT32_MAX;
    ask_link(&change);
    expect_reply(TAG, none);
}
END_TEST

/* --- what there is nothing for to do --- */

static const char *shown_state(const char *path)
{
    static struct board_value v;

    for (uint32_t i = 0; board_read_row(&board_page, i, &v) != -ENOENT; i++) {
        if (strcmp(v.name, path) == 0)
            return v.text;
    }
    return NULL;
}

START_TEST(what_is_idle_is_neither_started_nor_shown)
{
    begin_idle();
    ck_assert_ptr_nonnull(shown_state("vmbus/state"));
    ck_assert_ptr_null(shown_state("net/state"));
    ck_assert_ptr_null(shown_state("storage/state"));
    row(PROCESS_VTPM)->port = NULL; /* it would have a spare */
    row(PROCESS_NET)->port = &s.port;
    row(PROCESS_STORAGE)->port = &s.port;
    lifecycle_tick(&s.reg, clock_now_ns() + NS_PER_S);
    (void)pass(clock_now_ns(), 60 * NS_PER_S);
    expect_nothing();
}
END_TEST

START_TEST(what_is_idle_is_not_restarted_nor_revived)
{
    static const char idle[] = "it has nothing to do in this VM, and does not run";

    begin_idle();
    ask_restart(PROCESS_NET);
    expect_reply(TAG, idle);
    ask_restart(PROCESS_STORAGE);
    expect_reply(TAG, idle);
    expect_nothing();
}
END_TEST

START_TEST(init_says_nothing_of_what_is_idle)
{
    begin_idle();
    say_died(PROCESS_NET, 0, STATUS_EXIT_1, false);
    say_verified(PROCESS_NET, 0);
    expect_nothing();
}
END_TEST

START_TEST(the_first_disk_starts_its_worker)
{
    begin_idle();
    ask_disk(TAG, -1);
    expect_disk_change(TAG, 0);
    say_disk_changed(TAG, "there is one already");
    expect_reply(TAG, "there is one already");
    expect_nothing();
    ask_disk(TAG, -1);
    expect_disk_change(TAG, 0);
    say_disk_changed(TAG, "");
    expect_spawn(PROCESS_STORAGE, 1, false);
    expect_reply(TAG, "");
    bring_up(PROCESS_STORAGE, 1);
    ck_assert_str_eq(shown_state("storage/state"), "running");
    ck_assert_uint_eq(s.n_running, 1);
    ask_disk(TAG, -1);
    expect_disk_change(TAG, 0);
    say_disk_changed(TAG, "");
    expect_nothing();
}
END_TEST

START_TEST(what_is_idle_starts_as_the_newest_program)
{
    begin_idle();
    for (int i = 0; i < 2; i++) {
        ask_restart_by(PROCESS_DEBUG, STDIN_FILENO);
        expect_reply(TAG, "");
    }
    expect_nothing();
    ck_assert_ptr_null(shown_state("debug/state"));
    registry_need(&s.reg, PROCESS_DEBUG);
    expect_spawn(PROCESS_DEBUG, 1, true);
    bring_up(PROCESS_DEBUG, 1);
    say_died(PROCESS_DEBUG, 1, STATUS_EXIT_1, false);
    expect_spawn(PROCESS_DEBUG, 2, true);
}
END_TEST

/* Its tags are its own: a successor may use them again. */
START_TEST(another_diag_does_not_hear_what_a_dead_one_asked)
{
    begin_running();
    ask_disk(TAG, -1);
    expect_disk_change(TAG, 0);
    say_died(PROCESS_DIAG, 1, STATUS_KILLED, false);
    expect_spawn(PROCESS_DIAG, 2, false);
    bring_up(PROCESS_DIAG, 2);
    say_disk_changed(TAG, "");
    expect_reply(TAG, NULL);
    ask_disk(TAG, -1);
    expect_disk_change(TAG, 0);
}
END_TEST

START_TEST(init_says_nothing_of_disks_unasked)
{
    Bulkhead__DiskChanged changed;

    bulkhead__disk_changed__init(&changed);
    begin_running();
    ck_assert_int_eq(admin_disk_changed(&s.reg, &changed), -EPROTO);
    ask_disk(TAG, -1);
    changed.tag = TAG + 1;
    ck_assert_int_eq(admin_disk_changed(&s.reg, &changed), -EPROTO);
}
END_TEST

START_TEST(other_workers_ask_for_nothing)
{
    begin_running();
    fd_closep(&s.workers[PROCESS_DIAG]);
    s.workers[PROCESS_DIAG] = fd_steal(&s.workers[PROCESS_CHIPSET]);
    ask_restart(PROCESS_VTPM);
    expect_kill(PROCESS_CHIPSET, 1);
    expect_nothing();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        who_was_not_looked_at_asks_for_nothing,
        who_is_to_die_asks_for_nothing,
        diag_that_serves_asks_for_a_restart,
        a_change_of_a_disk_is_inits_and_answered,
        a_link_is_set_and_net_is_rung,
        a_link_of_no_nic_is_refused,
        another_diag_does_not_hear_what_a_dead_one_asked,
        init_says_nothing_of_disks_unasked,
        what_is_idle_is_neither_started_nor_shown,
        what_is_idle_is_not_restarted_nor_revived,
        init_says_nothing_of_what_is_idle,
        the_first_disk_starts_its_worker,
        what_is_idle_starts_as_the_newest_program,
        other_workers_ask_for_nothing,
    };

    return registry_case_run("registry_asked", tests, COUNT_OF(tests));
}
