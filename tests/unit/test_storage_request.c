#include "tests/unit/storage_case.h"

static int32_t an_error(struct world *w, const struct io_uring_sqe *sqe)
{
    (void)w;
    return sqe->fd == CASE_RAW ? -EIO : WORLD_AS_EVER;
}

static int32_t no_space(struct world *w, const struct io_uring_sqe *sqe)
{
    (void)w;
    return sqe->opcode == IORING_OP_WRITEV ? -ENOSPC : WORLD_AS_EVER;
}

static int32_t too_big(struct world *w, const struct io_uring_sqe *sqe)
{
    (void)w;
    return sqe->opcode == IORING_OP_WRITEV ? -EFBIG : WORLD_AS_EVER;
}

static int32_t interrupted_once(struct world *w, const struct io_uring_sqe *sqe)
{
    (void)sqe;
    w->meddle = NULL;
    return -EINTR;
}

static int32_t sync_interrupted_once(struct world *w, const struct io_uring_sqe *sqe)
{
    if (sqe->opcode != IORING_OP_FSYNC)
        return WORLD_AS_EVER;
    w->meddle = NULL;
    return -EINTR;
}

static int32_t nothing_moves(struct world *w, const struct io_uring_sqe *sqe)
{
    (void)w;
    return sqe->opcode == IORING_OP_FALLOCATE ? -EOPNOTSUPP : 0;
}

static int32_t no_allocation(struct world *w, const struct io_uring_sqe *sqe)
{
    (void)w;
    return sqe->opcode == IORING_OP_FALLOCATE ? -EOPNOTSUPP : WORLD_AS_EVER;
}

static struct world_srb write_at(uint32_t lba, uint16_t n, uint8_t value)
{
    memset(case_page(WORLD_DATA_AT), value, n * 512u);
    return world_rw(0x2a, lba, n, WORLD_DATA_AT);
}

static struct world_srb write_same(uint32_t lba, uint16_t n, uint8_t first)
{
    struct world_srb srb = world_rw(0x41, lba, n, WORLD_DATA_AT);

    for (unsigned i = 0; i < 512; i++)
        case_page(WORLD_DATA_AT)[i] = (uint8_t)(first == 0 ? 0 : first + i);
    srb.data_len = 512;
    return srb;
}

START_TEST(data_goes_where_it_belongs_and_comes_back)
{
    for (unsigned unit = CASE_RAW; unit <= CASE_VHD; unit++) {
        case_send(write_at(120, 16, 0x5a), 0, 1, (uint8_t)unit);
        case_finish();
        case_expect_good(0, 1);
        case_send(world_rw(0x28, 112, 32, WORLD_DATA_AT + 8), 2, 2, (uint8_t)unit);
        case_finish();
        case_expect_good(2, 2);
        for (unsigned i = 0; i < 32 * 512; i++) {
            uint8_t expected = i >= 8 * 512 && i < 24 * 512 ? 0x5a : 0;

            if (case_page(WORLD_DATA_AT + 8)[i] != expected)
                ck_abort_msg("unit %u, byte %u", unit, i);
        }
    }
}
END_TEST

START_TEST(errors_are_told_and_others_go_on)
{
    the.meddle = an_error;
    case_send(world_rw(0x28, 0, 8, WORLD_DATA_AT), 0, 1, CASE_RAW);
    case_send(write_at(0, 8, 1), 0, 2, CASE_RAW);
    case_send(world_flush_srb(), 0, 3, CASE_RAW);
    case_send(world_rw(0x28, 0, 8, WORLD_DATA_AT + 8), 1, 4, CASE_VHD);
    case_expect_good(1, 4);
    case_finish();
    case_expect_sense(0, 1, 3, 0x11);
    case_expect_sense(0, 2, 3, 0x0c);
    case_expect_sense(0, 3, 3, 0x0c);
}
END_TEST

START_TEST(a_full_file_system_is_told)
{
    int32_t (*const ways[])(struct world *, const struct io_uring_sqe *) = {no_space, too_big};

    for (unsigned i = 0; i < COUNT_OF(ways); i++) {
        struct world_answer a;

        the.meddle = ways[i];
        case_send(write_at(0, 8, 1), 0, i, CASE_RAW);
        case_finish();
        a = case_answer(0, i);
        ck_assert_uint_eq(a.key, 7);
        ck_assert_uint_eq(a.asc, 0x27);
        ck_assert_uint_eq(a.ascq, 7);
    }
}
END_TEST

START_TEST(what_was_interrupted_is_done_again)
{
    the.meddle = interrupted_once;
    case_send(write_at(0, 8, 0x21), 0, 1, CASE_RAW);
    case_finish();
    case_expect_good(0, 1);
    ck_assert_uint_eq(the.files[CASE_RAW].now[4095], 0x21);
    the.meddle = interrupted_once;
    case_send(world_flush_srb(), 0, 2, CASE_VHD);
    case_finish();
    case_expect_good(0, 2);
    the.meddle = sync_interrupted_once; /* of the image, while a block is allocated */
    case_send(write_at(0, 8, 0x22), 0, 3, CASE_VHD);
    ck_assert(the.meddle == NULL);
    case_finish();
    case_expect_good(0, 3);
}
END_TEST

static int32_t sync_fails_once(struct world *w, const struct io_uring_sqe *sqe)
{
    if (sqe->opcode != IORING_OP_FSYNC)
        return WORLD_AS_EVER;
    w->meddle = NULL;
    return -EIO;
}

/* The kernel says it once, to whoever asked: here an image that allocates a block for a WRITE. */
START_TEST(a_sync_that_failed_is_told_by_the_next_flush_whoever_died)
{
    the.meddle = sync_fails_once;
    case_send(write_at(0, 8, 0x31), 0, 2, CASE_VHD);
    case_finish();
    (void)case_answer(0, 2);
    ck_assert(the.meddle == NULL);
    case_take_over();
    case_send(world_flush_srb(), 1, 3, CASE_VHD);
    case_finish();
    case_expect_sense(1, 3, 3, 0x0c);
    case_take_over();
    case_send(world_flush_srb(), 1, 4, CASE_VHD);
    case_finish();
    case_expect_good(1, 4);
    case_send(world_flush_srb(), 1, 5, CASE_RAW);
    case_finish();
    case_expect_good(1, 5);
}
END_TEST

/* ... which may be on its way already: then the kernel says of it that all is well. */
START_TEST(a_sync_that_failed_is_told_by_the_flush_that_is_on_its_way)
{
    case_send(world_flush_srb(), 1, 3, CASE_VHD);
    the.random = 1; /* the newer of the two, the allocation's, is the first to end */
    the.meddle = sync_fails_once;
    case_send(write_at(0, 8, 0x31), 0, 2, CASE_VHD);
    (void)case_answer(0, 2);
    ck_assert(the.meddle == NULL);
    ck_assert_uint_eq(the.kernel.n_waiting, 1);
    case_finish();
    case_expect_sense(1, 3, 3, 0x0c);
    case_send(world_flush_srb(), 1, 4, CASE_VHD);
    case_finish();
    case_expect_good(1, 4);
}
END_TEST

static int32_t durable_write_fails_once(struct world *w, const struct io_uring_sqe *sqe)
{
    if (sqe->opcode != IORING_OP_WRITEV || sqe->rw_flags == 0)
        return WORLD_AS_EVER;
    w->meddle = NULL;
    return -EIO;
}

/* It syncs the file, so what it is told may be about data of others. */
START_TEST(a_durable_write_that_failed_is_told_by_the_next_flush_too)
{
    struct world_srb srb = write_at(0, 8, 0x31);

    srb.cdb[1] = 8; /* FUA */
    the.meddle = durable_write_fails_once;
    case_send(srb, 0, 2, CASE_RAW);
    case_finish();
    case_expect_sense(0, 2, 3, 0x0c);
    ck_assert(the.meddle == NULL);
    case_send(world_flush_srb(), 1, 3, CASE_RAW);
    case_finish();
    case_expect_sense(1, 3, 3, 0x0c);
    case_send(world_flush_srb(), 1, 4, CASE_RAW);
    case_finish();
    case_expect_good(1, 4);
}
END_TEST

START_TEST(a_write_that_moves_nothing_is_an_error_and_no_loop)
{
    the.meddle = nothing_moves;
    case_send(write_at(0, 8, 1), 0, 1, CASE_RAW);
    case_send(write_same(8, 16, 0), 0, 2, CASE_RAW);
    for (unsigned i = 0; i < 5; i++) {
        (void)world_complete(&the, 0);
        ck_assert_int_eq(world_run(&the), 0);
    }
    case_expect_sense(0, 1, 3, 0x0c);
    case_expect_sense(0, 2, 3, 0x0c);
}
END_TEST

START_TEST(short_transfers_go_on_where_they_ended)
{
    the.short_bytes = 700; /* also inside of a sector */
    case_send(write_at(8, 24, 0x31), 0, 1, CASE_RAW);
    case_finish();
    case_expect_good(0, 1);
    for (unsigned i = 0; i < 24 * 512; i++) {
        if (the.files[CASE_RAW].now[4096 + i] != 0x31)
            ck_abort_msg("byte %u", i);
    }
    case_send(world_rw(0x28, 8, 24, WORLD_DATA_AT + 8), 0, 2, CASE_RAW);
    case_finish();
    case_expect_good(0, 2);
    ck_assert_mem_eq(case_page(WORLD_DATA_AT + 8), case_page(WORLD_DATA_AT), 24 * 512);
}
END_TEST

/* The file was cut under us: what is beyond its end cannot be read, and all else can. */
START_TEST(a_file_that_was_cut_is_an_error_and_no_wait)
{
    the.files[CASE_RAW].bytes = 8192;
    case_send(world_rw(0x28, 8, 16, WORLD_DATA_AT), 0, 1, CASE_RAW);
    case_finish();
    case_expect_sense(0, 1, 3, 0x11);
    case_send(world_rw(0x28, 8, 8, WORLD_DATA_AT), 0, 2, CASE_RAW);
    case_finish();
    case_expect_good(0, 2);
}
END_TEST

/* One request takes half a minute: all others do not. */
START_TEST(a_slow_request_holds_up_no_other)
{
    case_send(world_rw(0x28, 0, 8, WORLD_DATA_AT), 0, 1, CASE_RAW);
    for (unsigned i = 2; i < 20; i++) {
        case_send(world_rw(0x28, 0, 8, WORLD_DATA_AT + 8), 0, i, CASE_RAW);
        the.now_ns += UINT64_C(2000000000);
        ck_assert(world_complete(&the, 1));
        ck_assert_int_eq(world_run(&the), 0);
        case_expect_good(0, i);
    }
    case_finish();
    case_expect_good(0, 1);
}
END_TEST

/* --- WRITE SAME and UNMAP --- */

START_TEST(a_pattern_stays_in_step_whatever_a_write_moves)
{
    the.short_bytes = 700;
    case_send(write_same(8, 200, 3), 0, 1, CASE_RAW);
    case_finish();
    case_expect_good(0, 1);
    for (unsigned i = 0; i < 200 * 512; i++) {
        if (the.files[CASE_RAW].now[4096 + i] != (uint8_t)(3 + i % 512))
            ck_abort_msg("byte %u", i);
    }
}
END_TEST

START_TEST(patterns_that_are_written_at_once_wait_for_each_other)
{
    struct world_srb srb;

    for (uint8_t i = 0; i < 3; i++) {
        srb = write_same(i * 16u, 16, (uint8_t)(1 + i));
        memcpy(case_page(WORLD_DATA_AT + 1u + i), case_page(WORLD_DATA_AT), 512);
        srb.page += 1u + i;
        case_send(srb, i, i + 1u, CASE_RAW);
    }
    case_finish();
    for (uint8_t i = 0; i < 3; i++) {
        case_expect_good(i, i + 1u);
        for (unsigned k = 0; k < 16 * 512; k++)
            ck_assert_uint_eq(the.files[CASE_RAW].now[i * 16u * 512 + k],
                              (1u + i + k % 512) & 0xff);
    }
}
END_TEST

START_TEST(a_pattern_that_is_not_there_is_refused)
{
    struct world_srb srb = write_same(0, 16, 1);

    srb.data_len = 256;
    case_send(srb, 0, 1, CASE_RAW);
    ck_assert_uint_eq(case_answer(0, 1).srb_status, SRB_ERROR | SRB_AUTOSENSE_VALID);
    for (unsigned i = 0; i < 16 * 512; i++)
        ck_assert_uint_eq(the.files[CASE_RAW].now[i], 0);
}
END_TEST

START_TEST(zeros_are_written_where_they_cannot_be_made)
{
    memset(the.files[CASE_RAW].now, 0x77, CASE_RAW_BYTES);
    the.meddle = no_allocation;
    case_send(write_same(8, 300, 0), 0, 1, CASE_RAW);
    case_finish();
    case_expect_good(0, 1);
    for (unsigned i = 0; i < CASE_RAW_BYTES; i++) {
        uint8_t expected = i >= 4096 && i < 4096 + 300 * 512 ? 0 : 0x77;

        if (the.files[CASE_RAW].now[i] != expected)
            ck_abort_msg("byte %u", i);
    }
}
END_TEST

/* --- what cannot be executed --- */

/* Linux takes a request for done when neither its SRB's status nor SCSI's says otherwise. */
START_TEST(what_is_not_executed_never_looks_done)
{
    uint8_t p[PACKET_BYTES] = {STORVSP_EXECUTE_SRB};

    the.storage->controllers[0].phase = CONTROLLER_BEGUN;
    case_send(write_at(0, 8, 1), 0, 1, CASE_RAW);
    ck_assert_uint_eq(case_answer(0, 1).srb_status, SRB_INVALID_REQUEST);
    the.storage->controllers[0].phase = CONTROLLER_READY;
    p[20] = 17; /* bytes of the CDB */
    ck_assert(guest_send(&the.guests[0], VMRING_IN_BAND, 2, NULL, 0, p, sizeof(p)));
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert_uint_eq(case_answer(0, 2).srb_status, SRB_INVALID_REQUEST);
    p[20] = 6;
    p[22] = 3; /* direction */
    ck_assert(guest_send(&the.guests[0], VMRING_IN_BAND, 3, NULL, 0, p, sizeof(p)));
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert_uint_eq(case_answer(0, 3).srb_status, SRB_INVALID_REQUEST);
}
END_TEST

/* The data is where no memory is, from some page on. */
START_TEST(data_outside_of_memory_is_an_error)
{
    struct world_srb srb = world_rw(0x2a, 0, 16, WORLD_PAGES - 1);

    case_send(srb, 0, 1, CASE_RAW);
    case_finish();
    ck_assert_uint_ne(case_answer(0, 1).srb_status, SRB_SUCCESS);
    ck_assert_uint_eq(the.files[CASE_RAW].now[0], 0);
}
END_TEST

/* The kernel has no memory: what was prepared is given to it later, without anybody ringing. */
START_TEST(a_kernel_without_memory_is_asked_again)
{
    struct world_srb srb = world_rw(0x28, 0, 8, WORLD_DATA_AT);

    srb.tid = 1;
    ck_assert(world_send(&the, &srb));
    the.kernel.enter_error = -EAGAIN;
    (void)storage_work(the.storage, 1);
    ck_assert_int_eq(world_run(&the), 0);
    case_finish();
    case_expect_good(0, 1);
}
END_TEST

/* While a block of an image is allocated, hundreds of other requests complete. */
START_TEST(completions_that_come_at_a_bad_time_are_kept)
{
    for (unsigned i = 0; i < 100; i++) {
        struct world_srb srb = world_rw(0x28, i, 1, WORLD_DATA_AT + 100 + i);

        srb.tid = 10 + i;
        srb.channel = 1;
        ck_assert(world_send(&the, &srb));
    }
    ck_assert_int_eq(world_run(&the), 0);
    case_send(write_at(0, 8, 0x42), 0, 1, CASE_VHD); /* in order: all of those come first */
    for (unsigned i = 0; i < 100; i++)
        case_expect_good(1, 10 + i);
    case_finish();
    case_expect_good(0, 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        data_goes_where_it_belongs_and_comes_back,
        errors_are_told_and_others_go_on,
        a_full_file_system_is_told,
        what_was_interrupted_is_done_again,
        a_sync_that_failed_is_told_by_the_next_flush_whoever_died,
        a_sync_that_failed_is_told_by_the_flush_that_is_on_its_way,
        a_durable_write_that_failed_is_told_by_the_next_flush_too,
        a_write_that_moves_nothing_is_an_error_and_no_loop,
        short_transfers_go_on_where_they_ended,
        a_file_that_was_cut_is_an_error_and_no_wait,
        a_slow_request_holds_up_no_other,
        a_pattern_stays_in_step_whatever_a_write_moves,
        patterns_that_are_written_at_once_wait_for_each_other,
        a_pattern_that_is_not_there_is_refused,
        zeros_are_written_where_they_cannot_be_made,
        what_is_not_executed_never_looks_done,
        data_outside_of_memory_is_an_error,
        a_kernel_without_memory_is_asked_again,
        completions_that_come_at_a_bad_time_are_kept,
    };

    return case_run("storage_request", tests, COUNT_OF(tests));
}
