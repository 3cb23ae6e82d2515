#include "tests/unit/storage_case.h"

/* A page of the guest's, filled; and that it is what a file has there. */
static void fill_page(unsigned page, uint8_t value)
{
    memset(case_page(page), value, 4096);
}

static void expect_file(unsigned file, uint64_t at, uint64_t len, uint8_t value)
{
    for (uint64_t i = at; i < at + len; i++) {
        if (the.files[file].now[i] != value)
            ck_abort_msg("byte %llu: %u, not %u", (unsigned long long)i, the.files[file].now[i],
                         value);
    }
}

static int32_t no_punching(struct world *w, const struct io_uring_sqe *sqe)
{
    (void)w;
    return sqe->opcode == IORING_OP_FALLOCATE ? -EOPNOTSUPP : WORLD_AS_EVER;
}

static int32_t no_syncing(struct world *w, const struct io_uring_sqe *sqe)
{
    (void)w;
    return sqe->opcode == IORING_OP_FSYNC ? -EIO : WORLD_AS_EVER;
}

static void send_write(unsigned channel, uint64_t tid, uint32_t lba, uint16_t n, uint8_t value)
{
    for (unsigned i = 0; i * 8u < n; i++)
        fill_page(WORLD_DATA_AT + (unsigned)tid * 8 + i, value);
    case_send(world_rw(0x2a, lba, n, WORLD_DATA_AT + (uint32_t)tid * 8), channel, tid, CASE_RAW);
}

START_TEST(a_write_on_its_way_is_waited_for_and_answered_once)
{
    send_write(0, 1, 8, 8, 0x11);
    ck_assert_uint_eq(the.kernel.n_waiting, 1);
    case_take_over();
    /* The first did complete, so it is known and not done again. */
    ck_assert_uint_eq(the.kernel.n_waiting, 0);
    case_expect_good(0, 1);
    expect_file(CASE_RAW, 4096, 4096, 0x11);
}
END_TEST

START_TEST(what_was_taken_and_not_submitted_is_done)
{
    struct world_srb srb = world_rw(0x2a, 8, 8, WORLD_DATA_AT);

    fill_page(WORLD_DATA_AT, 0x22);
    srb.tid = 5;
    ck_assert(world_send(&the, &srb));
    the.die_in = 1;
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert_uint_eq(the.generation, 2);
    case_finish();
    case_expect_good(0, 5);
    expect_file(CASE_RAW, 4096, 4096, 0x22);
}
END_TEST

/* Nobody rings for it: who takes over must not sleep on what it has begun. */
START_TEST(what_is_taken_up_is_submitted_at_once)
{
    struct world_srb srb = world_flush_srb();

    srb.tid = 5;
    ck_assert(world_send(&the, &srb));
    the.die_in = 1;
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert_uint_eq(the.kernel.n_waiting, 1);
    case_finish();
    case_expect_good(0, 5);
}
END_TEST

static int32_t half_of_it(struct world *w, const struct io_uring_sqe *sqe)
{
    w->short_bytes = sqe->opcode == IORING_OP_WRITEV ? 512 : 0;
    return WORLD_AS_EVER;
}

START_TEST(the_rest_of_a_short_write_is_done)
{
    the.meddle = half_of_it;
    send_write(0, 1, 8, 8, 0x33);
    case_take_over();
    case_finish();
    case_expect_good(0, 1);
    expect_file(CASE_RAW, 4096, 4096, 0x33);
}
END_TEST

/* What it did is known then, but not what others were told of the same file. */
START_TEST(a_flush_is_done_again)
{
    case_send(world_flush_srb(), 0, 1, CASE_RAW);
    case_take_over();
    ck_assert_uint_eq(the.kernel.n_waiting, 1);
    case_finish();
    case_expect_good(0, 1);
    ck_assert_uint_eq(the.files[CASE_RAW].syncs, 2);
}
END_TEST

START_TEST(a_flush_that_failed_is_told)
{
    the.meddle = no_syncing;
    case_send(world_flush_srb(), 0, 1, CASE_RAW);
    case_take_over(); /* it completes while it is waited for */
    the.meddle = NULL;
    case_finish();
    case_expect_sense(0, 1, 3, 0x0c);
}
END_TEST

/* A guest that is told something else of the unit would try again, and find that all is well. */
START_TEST(a_flush_that_failed_is_told_before_all_attentions)
{
    the.meddle = no_syncing;
    case_send(world_flush_srb(), 0, 1, CASE_RAW);
    world_row(&the, CASE_RAW)->epoch++;
    world_change_disks(&the);
    case_take_over();
    the.meddle = NULL;
    case_finish();
    while (the.guests[0].received_to != *control(&the.guests[0], INCOMING, WRITE_INDEX)) {
        struct world_answer a;

        ck_assert(world_receive(&the, 0, &a));
        if (a.type != VMRING_COMPLETION)
            continue;
        ck_assert_uint_eq(a.tid, 1);
        ck_assert_uint_eq(a.key, 3);
    }
}
END_TEST

/* The last one completes with the look at whether all have: it must be seen, too. */
START_TEST(what_completes_during_the_fence_is_not_taken_for_a_successors)
{
    send_write(0, 1, 8, 8, 0x44);
    world_die(&the);
    *fake_ring_word(&the.kernel, the.kernel.shape.sq_flags) = IORING_SQ_CQ_OVERFLOW;
    /* uring_fence() enters the kernel, which completes what it had no room for. */
    ck_assert_int_eq(world_start(&the), 0);
    ck_assert_uint_eq(the.storage->ring.tail,
                      *fake_ring_word(&the.kernel, the.kernel.shape.cq_head));
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert_uint_eq(the.kernel.n_waiting, 0);
    case_expect_good(0, 1);
}
END_TEST

static struct world_srb unmap(unsigned page, uint32_t lba, uint32_t blocks)
{
    struct world_srb srb = {.cdb = {0x42}, .cdb_len = 10, .page = page, .data_len = 24};
    uint8_t *list = case_page(page);

    memset(list, 0, 24);
    list[1] = 22;
    list[3] = 16;
    for (unsigned i = 0; i < 4; i++) {
        list[8 + 4 + i] = (uint8_t)(lba >> (24 - 8 * i));
        list[8 + 8 + i] = (uint8_t)(blocks >> (24 - 8 * i));
    }
    srb.cdb[8] = 24;
    return srb;
}

/*
 * Zeros are written where a file system cannot make them, in more steps than a tag can number. The one that
 * a successor finds must not pass for the first, which was for all of the range.
 */
START_TEST(no_step_is_taken_for_the_first_one)
{
    world_file_make(&the, 2, 20 << 20, 20 << 20);
    memset(the.files[2].now, 0x55, 20 << 20);
    (void)world_add_disk(&the, 2, DISK_RAW, 2);
    ck_assert_int_eq(world_finish(&the), 0);
    for (unsigned i = 0; i < 2; i++) { /* it is new, and the guest is told */
        struct world_answer a;

        case_send((struct world_srb){.cdb_len = 6, .data_in = 2}, 0, 50, 2);
        while (world_receive(&the, 0, &a))
            ;
    }
    the.meddle = no_punching;
    case_send(unmap(WORLD_DATA_AT, 0, 18 << 11), 0, 1, 2);
    for (unsigned step = 0; step < 256; step++) {
        ck_assert(world_complete(&the, 0));
        ck_assert_int_eq(world_run(&the), 0);
    }
    case_take_over();
    case_finish();
    case_expect_good(0, 1);
    expect_file(2, 0, 18 << 20, 0);
    expect_file(2, 18 << 20, 512, 0x55);
}
END_TEST

START_TEST(overlapping_writes_keep_their_order_across_a_death)
{
    send_write(0, 1, 8, 16, 0x11);
    send_write(0, 2, 8, 16, 0x22);
    send_write(0, 3, 8, 16, 0x33);
    ck_assert_uint_eq(the.kernel.n_waiting, 1);
    case_take_over();
    case_finish();
    for (unsigned i = 1; i <= 3; i++)
        case_expect_good(0, i);
    expect_file(CASE_RAW, 4096, 8192, 0x33);
}
END_TEST

static int32_t cancelled_once(struct world *w, const struct io_uring_sqe *sqe)
{
    (void)sqe;
    w->meddle = NULL;
    return -ECANCELED;
}

START_TEST(overlapping_writes_keep_their_order_across_channels_too)
{
    send_write(2, 1, 8, 16, 0x11);
    send_write(0, 2, 8, 16, 0x22);
    send_write(1, 3, 8, 16, 0x33);
    the.meddle = cancelled_once;
    case_take_over();
    case_finish();
    case_expect_good(2, 1);
    case_expect_good(0, 2);
    case_expect_good(1, 3);
    expect_file(CASE_RAW, 4096, 8192, 0x33);
}
END_TEST

/* vmbus has died as well, of writing the entry of a channel: its successor writes it anew. */
START_TEST(nothing_is_taken_up_before_all_of_it_can_be)
{
    send_write(1, 1, 8, 16, 0x11);
    send_write(0, 2, 8, 16, 0x22);
    the.meddle = cancelled_once;
    atomic_fetch_add(&the.channels.channels[1].seq, 1);
    case_take_over();
    case_finish();
    case_expect_none(0);
    ck_assert(!the.settled);
    atomic_fetch_add(&the.channels.channels[1].seq, 1);
    case_finish();
    case_expect_good(1, 1);
    case_expect_good(0, 2);
    expect_file(CASE_RAW, 4096, 8192, 0x22);
}
END_TEST

/* Answered, but there was no room in the guest's ring. */
START_TEST(answers_that_found_no_room_are_told_by_the_successor)
{
    bool told[200] = {false};
    struct world_answer a;
    unsigned n = 0;

    for (unsigned i = 0; i < COUNT_OF(told); i++)
        case_send((struct world_srb){.cdb_len = 6, .data_in = 2}, 0, i, CASE_RAW);
    case_take_over();
    while (world_receive(&the, 0, &a) || (world_run(&the) == 0 && world_receive(&the, 0, &a))) {
        ck_assert_uint_lt(a.tid, COUNT_OF(told));
        ck_assert(!told[a.tid]);
        told[a.tid] = true;
        n++;
    }
    ck_assert_uint_eq(n, COUNT_OF(told));
}
END_TEST

/* --- of units --- */

START_TEST(a_disk_that_cannot_be_opened_any_more_keeps_no_other_from_being_served)
{
    send_write(1, 1, 8, 8, 0x66);
    memset(the.files[CASE_VHD].now, 0, the.files[CASE_VHD].bytes);
    case_take_over();
    case_finish();
    case_expect_good(1, 1);
    case_send(world_rw(0x28, 0, 8, WORLD_DATA_AT), 0, 2, CASE_VHD);
    case_expect_sense(0, 2, 2, 0x3a);
}
END_TEST

START_TEST(a_change_that_came_while_nobody_served_is_told)
{
    struct world_answer a;

    case_send((struct world_srb){.cdb_len = 6, .data_in = 2}, 0, 1, CASE_RAW);
    case_expect_good(0, 1);
    world_die(&the);
    the.disks.files[CASE_RAW].bytes = CASE_RAW_BYTES / 2;
    world_row(&the, CASE_RAW)->epoch++;
    world_change_disks(&the);
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert(world_receive(&the, 0, &a));
    ck_assert_uint_eq(a.type, VMRING_IN_BAND);
    ck_assert_uint_eq(a.op, STORVSP_ENUMERATE_BUS);
    case_send((struct world_srb){.cdb_len = 6, .data_in = 2}, 0, 2, CASE_RAW);
    case_expect_sense(0, 2, 6, 0x2a); /* capacity changed */
}
END_TEST

static int32_t cancelled(struct world *w, const struct io_uring_sqe *sqe)
{
    (void)w;
    return sqe->opcode == IORING_OP_WRITEV ? -ECANCELED : WORLD_AS_EVER;
}

/* Nothing of what was meant for a disk is done on the one that is in its place, by whichever successor. */
static void expect_untouched_successor(unsigned deaths)
{
    struct world_answer a;

    send_write(1, 1, 8, 8, 0x11);
    send_write(1, 2, 24, 8, 0x22);
    world_die(&the);
    the.meddle = cancelled;
    world_file_make(&the, 2, CASE_RAW_BYTES, CASE_RAW_BYTES);
    world_add_disk(&the, CASE_RAW, DISK_RAW, 2)->identity[0] = 1;
    for (unsigned i = 0; i < deaths; i++) {
        ck_assert_int_eq(world_start(&the), 0);
        world_die(&the);
    }
    ck_assert_int_eq(world_run(&the), 0);
    the.meddle = NULL;
    case_finish();
    for (unsigned tid = 1; tid <= 2; tid++) {
        a = case_answer(1, tid);
        ck_assert_uint_eq(a.status, STORVSP_NO_SUCH_LUN);
        ck_assert_uint_eq(a.srb_status, SRB_INVALID_LUN);
    }
    expect_file(2, 0, CASE_RAW_BYTES, 0);
    while (world_receive(&the, 0, &a))
        ck_assert_uint_eq(a.op, STORVSP_ENUMERATE_BUS);
    case_send((struct world_srb){.cdb_len = 6, .data_in = 2}, 1, 3, CASE_RAW);
    case_expect_sense(1, 3, 6, 0x3f); /* other units are there */
    send_write(1, 4, 8, 8, 0x44);
    case_finish();
    case_expect_good(1, 4);
    expect_file(2, 4096, 4096, 0x44);
}

START_TEST(what_was_meant_for_a_disk_is_not_done_on_another)
{
    expect_untouched_successor(0);
}
END_TEST

START_TEST(what_was_meant_for_a_disk_is_not_done_on_another_by_a_later_successor)
{
    expect_untouched_successor(2);
}
END_TEST

START_TEST(a_successor_that_finds_all_as_it_was_tells_nothing)
{
    case_take_over();
    case_expect_none(0);
    case_send((struct world_srb){.cdb_len = 6, .data_in = 2}, 0, 2, CASE_RAW);
    case_expect_good(0, 2);
}
END_TEST

/* --- a worker that serves errors only --- */

START_TEST(a_parked_worker_fails_requests_and_forgets_nothing)
{
    send_write(0, 1, 8, 8, 0x77);
    the.parked = true;
    case_take_over();
    case_expect_sense(0, 1, 2, 0x04);
    ck_assert_uint_eq(the.kernel.n_waiting, 0); /* nothing is read or written after that */
    case_send(world_rw(0x28, 0, 8, WORLD_DATA_AT), 0, 2, CASE_VHD);
    case_expect_sense(0, 2, 2, 0x04);
    the.parked = false;
    case_take_over();
    send_write(0, 3, 8, 8, 0x78);
    case_finish();
    case_expect_good(0, 3);
    expect_file(CASE_RAW, 4096, 4096, 0x78);
}
END_TEST

/* --- a predecessor that was taken over --- */

START_TEST(a_log_of_nonsense_changes_no_memory_but_what_it_names)
{
    uint64_t random = 77;

    for (unsigned round = 0; round < 50; round++) {
        uint8_t *bytes = (uint8_t *)&the.log.channels[0];

        send_write(0, 1, 8, 8, 0x11);
        world_die(&the);
        for (unsigned i = 0; i < 2000; i++) {
            uint64_t at = world_random(&random) % sizeof(the.log.channels[0]);

            bytes[at] = (uint8_t)world_random(&random);
        }
        the.log.channels[0].opening = the.as_opened[0].opening;
        ck_assert_int_eq(world_run(&the), 0);
        case_finish();
        world_close_channel(&the, 0);
        case_finish();
        ck_assert(world_is_acknowledged(&the, 0));
        world_open_channel(&the, 0);
        ck_assert(world_connect(&the, 1));
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_write_on_its_way_is_waited_for_and_answered_once,
        what_was_taken_and_not_submitted_is_done,
        what_is_taken_up_is_submitted_at_once,
        the_rest_of_a_short_write_is_done,
        a_flush_is_done_again,
        a_flush_that_failed_is_told,
        a_flush_that_failed_is_told_before_all_attentions,
        what_completes_during_the_fence_is_not_taken_for_a_successors,
        no_step_is_taken_for_the_first_one,
        overlapping_writes_keep_their_order_across_a_death,
        overlapping_writes_keep_their_order_across_channels_too,
        nothing_is_taken_up_before_all_of_it_can_be,
        answers_that_found_no_room_are_told_by_the_successor,
        a_disk_that_cannot_be_opened_any_more_keeps_no_other_from_being_served,
        a_change_that_came_while_nobody_served_is_told,
        what_was_meant_for_a_disk_is_not_done_on_another,
        what_was_meant_for_a_disk_is_not_done_on_another_by_a_later_successor,
        a_successor_that_finds_all_as_it_was_tells_nothing,
        a_parked_worker_fails_requests_and_forgets_nothing,
        a_log_of_nonsense_changes_no_memory_but_what_it_names,
    };

    return case_run("storage_takeover", tests, COUNT_OF(tests));
}
