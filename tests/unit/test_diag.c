#include <check.h>
#include <stdlib.h>

#include "tests/fakes/diag_stage.h"

START_TEST(a_full_tree_comes_in_pieces_to_a_slow_reader)
{
    struct stage s;
    AUTO_FD fd = -1;
    size_t n = 0;
    bool done = false;

    stage_init(&s);
    for (unsigned i = 0; i < BOARD_ROWS; i++) {
        struct board_row *row =
            board_addf(&s.boards[PROCESS_VTPM], BOARD_TEXT, "%044u", i); /* the longest there are */

        board_text(row, "0123456789012345678901234567890123456789012345678901234567890123");
        (void)board_addf(&s.boards[PROCESS_CHIPSET], BOARD_COUNTER, "%u", i);
    }
    stage_start(&s);
    fd = operator_come(&s);
    call(fd, BULKHEAD__ADMIN_CALL__VERB__INSPECT, "", false, -1);
    (void)poll(NULL, 0, LATER_MS); /* its buffer fills up meanwhile */
    while (!done) {
        Bulkhead__AdminAnswer *a = answer(fd, SOON_MS);

        ck_assert_ptr_nonnull(a);
        n += a->n_values;
        done = a->done;
        bulkhead__admin_answer__free_unpacked(a, NULL);
    }
    ck_assert_uint_eq(n, 2 * BOARD_ROWS + 9); /* and its own nine */
    call(fd, BULKHEAD__ADMIN_CALL__VERB__INSPECT, "nobody", false, -1);
    expect_end(fd, "");
    stage_done(&s);
}
END_TEST

START_TEST(followers_get_what_comes_and_others_are_served_meanwhile)
{
    struct stage s;
    AUTO_FD follower = -1;
    AUTO_FD other = -1;
    Bulkhead__AdminAnswer *a;

    stage_init(&s);
    stage_start(&s);
    follower = operator_come(&s);
    other = operator_come(&s);
    call(follower, BULKHEAD__ADMIN_CALL__VERB__LOGS, "vtpm", true, -1);
    ck_assert_ptr_null(answer(follower, LATER_MS));
    call(other, BULKHEAD__ADMIN_CALL__VERB__PS, "", false, -1);
    expect_end(other, "");
    board_log(&s.boards[PROCESS_VTPM], LOG_LEVEL_WARN, "news");
    a = answer(follower, SOON_MS);
    ck_assert_ptr_nonnull(a);
    ck_assert_uint_eq(a->n_lines, 1);
    ck_assert_str_eq(a->lines[0]->text, "news");
    ck_assert_str_eq(a->lines[0]->process, "vtpm");
    ck_assert(!a->done);
    bulkhead__admin_answer__free_unpacked(a, NULL);
    stage_done(&s);
}
END_TEST

START_TEST(replies_find_who_asked)
{
    struct stage s;
    struct channel_msg first, second;
    AUTO_FD a = -1;
    AUTO_FD b = -1;

    stage_init(&s);
    stage_start(&s);
    a = operator_come(&s);
    b = operator_come(&s);
    call(a, BULKHEAD__ADMIN_CALL__VERB__RESTART, "vtpm", false, STDIN_FILENO);
    first = hear(&s);
    call(b, BULKHEAD__ADMIN_CALL__VERB__REVIVE, "chipset", false, -1);
    second = hear(&s);
    ck_assert_uint_eq(first.n_fds, 1);
    ck_assert_uint_eq(first.envelope->admin_request->process, PROCESS_VTPM);
    ck_assert_int_eq(first.envelope->admin_request->action,
                     BULKHEAD__ADMIN_REQUEST__ACTION__RESTART);
    ck_assert_uint_eq(second.n_fds, 0);
    ck_assert_uint_eq(second.envelope->admin_request->process, PROCESS_CHIPSET);
    reply(&s, 0xdead, "nobody asked");
    reply(&s, first.envelope->admin_request->tag & 0xffff, "another generation asked");
    reply(&s, second.envelope->admin_request->tag, "it is not parked");
    reply(&s, first.envelope->admin_request->tag, "");
    expect_end(b, "it is not parked");
    expect_end(a, "");
    channel_msg_done(&first);
    channel_msg_done(&second);
    stage_done(&s);
}
END_TEST

START_TEST(a_change_of_a_disk_goes_on_with_its_file)
{
    struct stage s;
    struct channel_msg m;
    Bulkhead__AdminCall c;
    Bulkhead__DiskChange change;
    Bulkhead__Disk disk;
    uint8_t bytes[256];
    AUTO_FD a = -1;

    bulkhead__admin_call__init(&c);
    bulkhead__disk_change__init(&change);
    bulkhead__disk__init(&disk);
    stage_init(&s);
    stage_start(&s);
    a = operator_come(&s);
    c.verb = BULKHEAD__ADMIN_CALL__VERB__DISK;
    send_bytes(a, bytes, bulkhead__admin_call__pack(&c, bytes), -1);
    expect_end(a, "no disk named");
    c.disk = &change;
    send_bytes(a, bytes, bulkhead__admin_call__pack(&c, bytes), -1);
    expect_end(a, "no disk named");
    change.action = BULKHEAD__DISK_CHANGE__ACTION__ADD;
    change.disk = &disk;
    disk.lun = 9;
    send_bytes(a, bytes, bulkhead__admin_call__pack(&c, bytes), STDIN_FILENO);
    m = hear(&s);
    ck_assert_uint_eq(m.n_fds, 1);
    ck_assert_int_eq(m.envelope->admin_request->action, BULKHEAD__ADMIN_REQUEST__ACTION__DISK);
    ck_assert_int_eq(m.envelope->admin_request->disk->action, BULKHEAD__DISK_CHANGE__ACTION__ADD);
    ck_assert_uint_eq(m.envelope->admin_request->disk->disk->lun, 9);
    reply(&s, m.envelope->admin_request->tag, "there is one already");
    expect_end(a, "there is one already");
    channel_msg_done(&m);
    stage_done(&s);
}
END_TEST

START_TEST(a_change_of_a_link_goes_on)
{
    struct stage s;
    struct channel_msg m;
    Bulkhead__AdminCall c;
    Bulkhead__LinkChange change;
    uint8_t bytes[64];
    AUTO_FD a = -1;

    bulkhead__admin_call__init(&c);
    bulkhead__link_change__init(&change);
    stage_init(&s);
    stage_start(&s);
    a = operator_come(&s);
    c.verb = BULKHEAD__ADMIN_CALL__VERB__LINK;
    send_bytes(a, bytes, bulkhead__admin_call__pack(&c, bytes), -1);
    expect_end(a, "no NIC named");
    change.nic = 2;
    change.up = true;
    c.link = &change;
    send_bytes(a, bytes, bulkhead__admin_call__pack(&c, bytes), -1);
    m = hear(&s);
    ck_assert_int_eq(m.envelope->admin_request->action, BULKHEAD__ADMIN_REQUEST__ACTION__LINK);
    ck_assert_uint_eq(m.envelope->admin_request->link->nic, 2);
    ck_assert(m.envelope->admin_request->link->up);
    reply(&s, m.envelope->admin_request->tag, "");
    expect_end(a, "");
    channel_msg_done(&m);
    stage_done(&s);
}
END_TEST

START_TEST(a_reply_after_the_operator_left_is_nobodys)
{
    struct stage s;
    struct channel_msg m;
    AUTO_FD a = -1;

    stage_init(&s);
    stage_start(&s);
    a = operator_come(&s);
    call(a, BULKHEAD__ADMIN_CALL__VERB__RESTART, "vtpm", false, -1);
    m = hear(&s);
    fd_closep(&a);
    reply(&s, m.envelope->admin_request->tag, "");
    channel_msg_done(&m);
    a = operator_come(&s);
    call(a, BULKHEAD__ADMIN_CALL__VERB__PS, "", false, -1);
    expect_end(a, "");
    stage_done(&s);
}
END_TEST

START_TEST(wrong_calls_are_answered)
{
    struct stage s;
    AUTO_FD fd = -1;

    stage_init(&s);
    stage_start(&s);
    fd = operator_come(&s);
    call(fd, BULKHEAD__ADMIN_CALL__VERB__RESTART, "nobody", false, -1);
    expect_end(fd, "no process of that name: `bulkhead ps` lists them");
    call(fd, BULKHEAD__ADMIN_CALL__VERB__LOGS, "nobody", false, -1);
    expect_end(fd, "no process of that name: `bulkhead ps` lists them");
    call(fd, (Bulkhead__AdminCall__Verb)77, "", false, -1);
    expect_end(fd, "no such call");
    call(fd, BULKHEAD__ADMIN_CALL__VERB__NONE, "", false, STDIN_FILENO);
    expect_end(fd, "no such call");
    stage_done(&s);
}
END_TEST

START_TEST(nonsense_costs_the_session_only)
{
    static const char garbage[] = "\377\377\377\377\377\377";
    static char large[OPERATOR_CALL_MAX_BYTES + 1];
    struct stage s;
    AUTO_FD a = -1;
    AUTO_FD b = -1;
    AUTO_FD c = -1;
    AUTO_FD good = -1;

    stage_init(&s);
    stage_start(&s);
    a = operator_come(&s);
    b = operator_come(&s);
    c = operator_come(&s);
    good = operator_come(&s);
    send_bytes(a, garbage, sizeof(garbage), -1);
    expect_closed(a);
    send_bytes(b, large, sizeof(large), STDIN_FILENO);
    expect_closed(b);
    call(c, BULKHEAD__ADMIN_CALL__VERB__LOGS, "", true, -1);
    call(c, BULKHEAD__ADMIN_CALL__VERB__PS, "", false, -1); /* while it is being answered */
    expect_closed(c);
    call(good, BULKHEAD__ADMIN_CALL__VERB__PS, "", false, -1);
    expect_end(good, "");
    stage_done(&s);
}
END_TEST

START_TEST(there_is_room_for_so_many_and_again_when_one_leaves)
{
    struct stage s;
    int fds[DIAG_SESSIONS];
    AUTO_FD more = -1;

    stage_init(&s);
    stage_start(&s);
    for (unsigned i = 0; i < DIAG_SESSIONS; i++) {
        fds[i] = operator_come(&s);
        call(fds[i], BULKHEAD__ADMIN_CALL__VERB__PS, "", false, -1);
        expect_end(fds[i], "");
    }
    more = operator_come(&s);
    expect_end(more, "too many operators at once");
    expect_closed(more);
    fd_closep(&more);
    fd_closep(&fds[3]);
    (void)poll(NULL, 0, LATER_MS);
    more = operator_come(&s);
    call(more, BULKHEAD__ADMIN_CALL__VERB__PS, "", false, -1);
    expect_end(more, "");
    for (unsigned i = 0; i < DIAG_SESSIONS; i++)
        fd_closep(&fds[i]);
    stage_done(&s);
}
END_TEST

/* What is shown of the ring's newest record. */
static void read_shown(const struct stage *s, uint64_t *ret_seq, char ret_hash[BOARD_TEXT_BYTES])
{
    struct board_value v;

    for (uint32_t i = 0; board_read_row(s->pages[PROCESS_DIAG], i, &v) == 0; i++) {
        if (strcmp(v.name, "audit/done/records") == 0)
            *ret_seq = v.value;
        if (strcmp(v.name, "audit/done/hash") == 0)
            memcpy(ret_hash, v.text, BOARD_TEXT_BYTES);
    }
}

/* Whoever notes the newest hashes down finds them when nothing more has been done, too. */
START_TEST(the_next_generation_shows_what_is_on_record)
{
    struct audit_record r = {.ring = AUDIT_DONE};
    char hash[BOARD_TEXT_BYTES] = "", want[3];
    struct stage s;
    AUTO_FD fd = -1;
    uint64_t seq = 0;

    stage_init(&s);
    audit_add(s.diag->audit.page, &r);
    audit_add(s.diag->audit.page, &r);
    stage_start(&s);
    fd = operator_come(&s);
    call(fd, BULKHEAD__ADMIN_CALL__VERB__PS, "", false, -1);
    expect_end(fd, "");
    read_shown(&s, &seq, hash);
    (void)snprintf(want, sizeof(want), "%02x", r.hash[0]);
    ck_assert_uint_eq(seq, 2);
    ck_assert_int_eq(strncmp(hash, want, 2), 0);
    stage_done(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("diag");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, a_full_tree_comes_in_pieces_to_a_slow_reader);
    tcase_add_test(tests, followers_get_what_comes_and_others_are_served_meanwhile);
    tcase_add_test(tests, replies_find_who_asked);
    tcase_add_test(tests, a_change_of_a_disk_goes_on_with_its_file);
    tcase_add_test(tests, a_change_of_a_link_goes_on);
    tcase_add_test(tests, a_reply_after_the_operator_left_is_nobodys);
    tcase_add_test(tests, wrong_calls_are_answered);
    tcase_add_test(tests, nonsense_costs_the_session_only);
    tcase_add_test(tests, there_is_room_for_so_many_and_again_when_one_leaves);
    tcase_add_test(tests, the_next_generation_shows_what_is_on_record);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
