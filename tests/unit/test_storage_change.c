#include "tests/unit/storage_case.h"

static const struct world_srb ready = {.cdb_len = 6, .data_in = 2};

static void expect_told(unsigned times)
{
    struct world_answer a;

    for (unsigned i = 0; i < times; i++) {
        ck_assert(world_receive(&the, 0, &a));
        ck_assert_uint_eq(a.type, VMRING_IN_BAND);
        ck_assert_uint_eq(a.op, STORVSP_ENUMERATE_BUS);
        ck_assert_uint_eq(a.tid, 0);
    }
    case_expect_none(0);
}

static void change(void)
{
    world_change_disks(&the);
    case_finish();
}

START_TEST(a_disk_that_comes_is_told_and_served)
{
    world_file_make(&the, 2, 1 << 20, 1 << 20);
    (void)world_add_disk(&the, 7, DISK_RAW, 2);
    case_finish();
    expect_told(1);
    case_send(ready, 0, 1, CASE_RAW);
    case_expect_sense(0, 1, 6, 0x3f); /* the list of units has changed */
    case_send(ready, 0, 2, 7);
    case_expect_sense(0, 2, 6, 0x3f);
    case_send(world_rw(0x28, 0, 8, WORLD_DATA_AT), 1, 3, 7);
    case_finish();
    case_expect_good(1, 3);
}
END_TEST

/* Opening it waits for its image, and meanwhile others' requests complete: the worker must not sleep on them. */
START_TEST(what_completes_while_a_disk_comes_is_answered)
{
    case_fill_vhd(&the, 2);
    case_send(world_rw(0x28, 0, 8, WORLD_DATA_AT), 1, 1, CASE_RAW);
    (void)world_add_disk(&the, 7, DISK_VHD, 2);
    ck_assert_int_eq(world_run(&the), 0);
    case_expect_good(1, 1);
    expect_told(1);
}
END_TEST

/* The guest has as much on its way as the ring holds. */
START_TEST(a_disk_comes_while_the_ring_is_full)
{
    while (uring_room(&the.storage->ring) > 0)
        ck_assert_int_eq(uring_fdatasync(&the.storage->ring, CASE_RAW, 0), 0);
    case_fill_vhd(&the, 2);
    (void)world_add_disk(&the, 7, DISK_VHD, 2);
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert(the.storage->units[7].present);
    expect_told(1);
}
END_TEST

static unsigned n_pings, n_late;

/* Each step takes its time: there must have been a sign of life since the last one. */
static int32_t ping_at_each_step(struct world *w, const struct io_uring_sqe *sqe)
{
    if (sqe->fd != 2)
        return WORLD_AS_EVER;
    n_late += !port_ponged(&w->port_client);
    atomic_fetch_add(&w->port.ping, 1);
    n_pings++;
    return WORLD_AS_EVER;
}

/* What is in the page cache is there at once, so nothing is waited for; but there may be much of it. */
START_TEST(a_long_opening_is_no_hang)
{
    n_pings = n_late = 0;
    case_fill_vhd(&the, 2);
    (void)world_add_disk(&the, 7, DISK_VHD, 2);
    the.meddle = ping_at_each_step;
    the.kernel.hold = false;
    ck_assert_int_eq(world_run(&the), 0);
    the.kernel.hold = true;
    ck_assert_uint_gt(n_pings, 2);
    ck_assert_uint_eq(n_late, 0);
    expect_told(1);
}
END_TEST

/* The VM began without this disk; nothing but it may be missing. One that it began with has to be one. */
START_TEST(a_first_generation_does_without_an_image_that_was_added)
{
    struct disk_row *row;

    world_init(&the, case_ram);
    world_file_make(&the, CASE_RAW, CASE_RAW_BYTES, CASE_RAW_BYTES);
    world_file_make(&the, 2, 1 << 20, 1 << 20);
    (void)world_add_disk(&the, CASE_RAW, DISK_RAW, CASE_RAW);
    row = world_add_disk(&the, 7, DISK_VHD, 2); /* nothing but zeros */
    the.random = 1;
    ck_assert_int_lt(world_run(&the), 0);
    world_die(&the);
    row->flags |= DISK_ADDED;
    world_change_disks(&the);
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert(the.storage->units[CASE_RAW].present);
    ck_assert(!the.storage->units[7].present);
}
END_TEST

START_TEST(a_disk_goes_when_its_requests_have_ended)
{
    case_send(world_rw(0x2a, 0, 8, WORLD_DATA_AT), 0, 1, CASE_RAW);
    world_row(&the, CASE_RAW)->kind = DISK_NONE;
    world_change_disks(&the);
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert(!the.settled);
    case_send(ready, 1, 2, CASE_RAW); /* no new ones */
    ck_assert_uint_eq(case_answer(1, 2).srb_status, SRB_INVALID_LUN);
    case_expect_none(0);
    case_finish();
    case_expect_good(0, 1);
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert(the.settled);
    expect_told(1);
    case_send(ready, 1, 3, CASE_RAW);
    ck_assert_uint_eq(case_answer(1, 3).srb_status, SRB_INVALID_LUN);
}
END_TEST

START_TEST(a_disk_that_goes_while_its_worker_dies_is_gone)
{
    case_send(world_rw(0x2a, 0, 8, WORLD_DATA_AT), 0, 1, CASE_RAW);
    world_die(&the);
    world_row(&the, CASE_RAW)->kind = DISK_NONE;
    world_change_disks(&the);
    case_finish();
    for (unsigned i = 0; i < 2; i++) {
        struct world_answer a;

        ck_assert(world_receive(&the, 0, &a));
        ck_assert(a.type == VMRING_IN_BAND || (a.tid == 1 && a.srb_status == SRB_INVALID_LUN));
    }
    case_expect_none(0);
}
END_TEST

START_TEST(a_new_size_is_told)
{
    world_file_make(&the, CASE_RAW, CASE_RAW_BYTES, 2 * CASE_RAW_BYTES);
    the.files[CASE_RAW].bytes = 2 * CASE_RAW_BYTES;
    the.disks.files[CASE_RAW].bytes = 2 * CASE_RAW_BYTES;
    world_row(&the, CASE_RAW)->epoch++;
    change();
    expect_told(1);
    case_send(ready, 0, 1, CASE_RAW);
    case_expect_sense(0, 1, 6, 0x2a); /* the capacity has changed */
    case_send(ready, 0, 2, CASE_RAW);
    case_expect_sense(0, 2, 6, 0x3f);
    case_send(world_rw(0x28, CASE_RAW_BYTES / 512, 8, WORLD_DATA_AT), 0, 3, CASE_RAW);
    case_finish();
    case_expect_good(0, 3);
}
END_TEST

/* A slot of a file is used again: it is another disk, whatever else is as before. */
START_TEST(another_disk_in_the_same_place_is_no_new_size)
{
    struct disk_row *row = world_row(&the, CASE_VHD);

    case_fill_vhd(&the, CASE_VHD);
    row->identity[0] ^= 1;
    row->epoch++;
    change();
    change();
    ck_assert_int_eq(world_run(&the), 0);
    expect_told(2); /* one went, one came */
    ck_assert(the.storage->units[CASE_VHD].present);
}
END_TEST

START_TEST(a_guest_without_room_is_told_later)
{
    struct world_answer a;
    unsigned told = 0, n = 0;

    for (unsigned i = 0; i < 200; i++)
        case_send(ready, 0, i, CASE_RAW);
    world_row(&the, CASE_VHD)->kind = DISK_NONE;
    world_change_disks(&the);
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert(!the.settled);
    for (unsigned rounds = 0; rounds < 10; rounds++) {
        while (world_receive(&the, 0, &a)) {
            told += a.type == VMRING_IN_BAND;
            n += a.type == VMRING_COMPLETION;
        }
        ck_assert_int_eq(world_run(&the), 0);
    }
    ck_assert_uint_eq(told, 1);
    ck_assert_uint_eq(n, 200);
}
END_TEST

/* --- discs --- */

static void add_drive(bool with_disc)
{
    struct disk_row *row = world_add_disk(&the, 9, DISK_RAW, 2);

    world_file_make(&the, 2, 1 << 20, 1 << 20);
    row->kind = DISK_DVD;
    row->flags = DISK_READ_ONLY | (with_disc ? 0 : DISK_EMPTY);
    row->n_members = with_disc ? 1 : 0;
    change();
    expect_told(1);
    case_send(ready, 1, 100, 9);
    (void)case_answer(1, 100);
    case_send(ready, 1, 101, CASE_RAW);
    (void)case_answer(1, 101);
}

START_TEST(a_disc_that_is_put_in_is_told)
{
    struct disk_row *row = world_row(&the, 9);

    add_drive(false);
    case_send(ready, 1, 1, 9);
    case_expect_sense(1, 1, 2, 0x3a);
    row->flags = DISK_READ_ONLY;
    row->n_members = 1;
    row->epoch++;
    change();
    case_send(ready, 1, 2, 9);
    case_expect_sense(1, 2, 6, 0x28);
    case_send(ready, 1, 3, 9);
    case_expect_good(1, 3);
}
END_TEST

START_TEST(a_disc_that_is_taken_out_is_told_as_an_event)
{
    struct disk_row *row = world_row(&the, 9);

    add_drive(true);
    case_send(ready, 1, 1, 9);
    case_expect_good(1, 1);
    row->flags = DISK_READ_ONLY | DISK_EMPTY;
    row->n_members = 0;
    row->epoch++;
    change();
    ck_assert_uint_ne(the.storage->units[9].lun.state.flags & SCSI_EVENT_REMOVED, 0);
    case_send(ready, 1, 2, 9);
    case_expect_sense(1, 2, 2, 0x3a);
}
END_TEST

/* --- channels --- */

START_TEST(a_channel_closes_when_its_requests_have_ended)
{
    case_send(world_rw(0x28, 0, 8, WORLD_DATA_AT), 1, 1, CASE_RAW);
    world_close_channel(&the, 1);
    ck_assert_int_eq(world_run(&the), 0);
    ck_assert(!world_is_acknowledged(&the, 1));
    case_finish();
    ck_assert(world_is_acknowledged(&the, 1));
    world_open_channel(&the, 1);
    case_send(ready, 1, 2, CASE_RAW);
    case_expect_good(1, 2);
}
END_TEST

/* Nobody looked in between: that it was closed shows in its opening alone. */
START_TEST(a_channel_that_was_opened_anew_meanwhile_is_open)
{
    case_send(ready, 1, 1, CASE_RAW);
    case_expect_good(1, 1);
    world_close_channel(&the, 1);
    world_open_channel(&the, 1);
    case_send(ready, 1, 2, CASE_RAW);
    case_expect_good(1, 2);
}
END_TEST

START_TEST(a_channel_without_room_for_rings_is_refused)
{
    static const uint32_t downstream[] = {0, 1, 2 * RING_PAGES - 1, 2 * RING_PAGES, UINT32_MAX};

    for (unsigned i = 0; i < COUNT_OF(downstream); i++) {
        struct vmbus_channel *c = &the.as_opened[2];

        world_close_channel(&the, 2);
        case_finish();
        world_open_channel(&the, 2);
        c->downstream = downstream[i];
        c->epoch++;
        vmbus_channel_write(&the.channels, 2, c);
        case_finish();
        ck_assert(world_is_acknowledged(&the, 2));
        ck_assert_uint_ne(the.acks.channels[2].status, 0);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_disk_that_comes_is_told_and_served,
        what_completes_while_a_disk_comes_is_answered,
        a_disk_comes_while_the_ring_is_full,
        a_long_opening_is_no_hang,
        a_first_generation_does_without_an_image_that_was_added,
        a_disk_goes_when_its_requests_have_ended,
        a_disk_that_goes_while_its_worker_dies_is_gone,
        a_new_size_is_told,
        another_disk_in_the_same_place_is_no_new_size,
        a_guest_without_room_is_told_later,
        a_disc_that_is_put_in_is_told,
        a_disc_that_is_taken_out_is_told_as_an_event,
        a_channel_closes_when_its_requests_have_ended,
        a_channel_that_was_opened_anew_meanwhile_is_open,
        a_channel_without_room_for_rings_is_refused,
    };

    return case_run("storage_change", tests, COUNT_OF(tests));
}
