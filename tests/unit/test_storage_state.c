#include <errno.h>

#include "tests/unit/storage_case.h"

static uint8_t saved[STORAGE_STATE_MAX];
static size_t saved_len;

static void save(void)
{
    struct wr w = wr_over(saved, sizeof(saved));

    state_save(the.storage, &w);
    ck_assert_int_eq(wr_finish(&w, &saved_len), 0);
}

static struct storage *load(size_t len, int expected)
{
    struct storage *s = calloc(1, sizeof(*s));
    struct rd r = rd_over(saved, len);

    ck_assert_ptr_nonnull(s);
    ck_assert_int_eq(state_load(s, &r), expected);
    return s;
}

static void change_all(void)
{
    struct storage *s = the.storage;

    s->controllers[3] = (struct controller){CONTROLLER_VERSION, 0x0600, 9, 5};
    s->last = (struct last_change){
        1, 2, 3, {4, 5},
           64
    };
    s->to_tell = 5;
    s->units[CASE_VHD].lun.state.attentions = SCSI_LUNS_CHANGED;
    s->units[CASE_VHD].row.epoch = 77;
    s->units[STORAGE_UNITS - 1].lun.state.flags = SCSI_STOPPED;
}

START_TEST(what_is_kept_comes_back)
{
    struct storage *s;

    change_all();
    save();
    s = load(saved_len, 0);
    ck_assert_mem_eq(s->controllers, the.storage->controllers, sizeof(s->controllers));
    ck_assert_mem_eq(&s->last, &the.storage->last, sizeof(s->last));
    ck_assert_uint_eq(s->to_tell, 5);
    ck_assert(s->units[CASE_RAW].was_there && s->units[CASE_VHD].was_there);
    ck_assert(!s->units[2].was_there && !s->units[STORAGE_UNITS - 1].was_there);
    ck_assert_uint_eq(s->units[CASE_VHD].row.epoch, 77);
    ck_assert_mem_eq(s->units[CASE_VHD].row.identity, the.storage->units[CASE_VHD].row.identity,
                     sizeof(s->units[0].row.identity));
    for (unsigned i = 0; i < STORAGE_UNITS; i++)
        ck_assert_mem_eq(&s->units[i].lun.state, &the.storage->units[i].lun.state,
                         sizeof(s->units[i].lun.state));
    free(s);
    the.storage->to_tell = 0;
}
END_TEST

START_TEST(a_full_house_fits)
{
    for (unsigned i = 0; i < STORAGE_UNITS; i++)
        the.storage->units[i].lun.state.flags = SCSI_STOPPED;
    save();
    free(load(saved_len, 0));
}
END_TEST

START_TEST(no_part_of_it_is_taken_for_all)
{
    change_all();
    save();
    for (size_t len = 0; len < saved_len; len++)
        free(load(len, -EBADMSG));
    saved[saved_len] = 0;
    free(load(saved_len + 1, -EBADMSG));
    the.storage->to_tell = 0;
}
END_TEST

START_TEST(whatever_it_says_it_is_survived)
{
    struct storage *s = calloc(1, sizeof(*s));
    uint64_t random = 5;

    ck_assert_ptr_nonnull(s);
    change_all();
    for (unsigned i = 0; i < 2000; i++) {
        struct rd r;

        save();
        for (unsigned k = 0; k < 4; k++)
            saved[world_random(&random) % saved_len] = (uint8_t)world_random(&random);
        r = rd_over(saved, saved_len);
        if (state_load(s, &r) < 0) {
            state_forget(s);
            ck_assert_uint_eq(s->to_tell, 0);
        }
        ck_assert_uint_le(s->last.answer_len, STORVSP_PACKET_BYTES);
        for (unsigned c = 0; c < DISK_CONTROLLERS; c++)
            ck_assert_uint_lt(s->controllers[c].phase, CONTROLLER_PHASES);
    }
    free(s);
    the.storage->to_tell = 0;
}
END_TEST

/* What was executed and committed, but not answered, is answered from what was kept. */
START_TEST(a_change_of_a_unit_happens_once)
{
    static const struct world_srb reserve = {.cdb = {0x16}, .cdb_len = 6, .data_in = 2};
    struct world_srb srb = reserve;

    srb.tid = 1;
    case_send(srb, 0, 1, CASE_RAW);
    case_expect_good(0, 1);
    ck_assert_uint_eq(the.storage->last.answer_len, 64);
    /* As if it had died between the commit and the answer. */
    ck_assert_uint_eq(the.storage->last.channel, 0);
    world_die(&the);
    the.log.channels[0].slots[0].seq = (uint32_t)atomic_load(&the.log.channels[0].in) - 1;
    memset(the.log.channels[0].slots[0].packet, 0, 64);
    atomic_store(&the.log.channels[0].slots[0].state, INFLIGHT_CLAIMED);
    the.log.channels[0].slots[0].transaction = 9;
    the.log.channels[0].slots[0].packet_len = 64;
    the.log.channels[0].slots[0].flags = INFLIGHT_WANTS_COMPLETION;
    ck_assert_int_eq(world_run(&the), 0);
    case_expect_good(0, 9);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_is_kept_comes_back,         a_full_house_fits,
        no_part_of_it_is_taken_for_all,  whatever_it_says_it_is_survived,
        a_change_of_a_unit_happens_once,
    };

    return case_run("storage_state", tests, COUNT_OF(tests));
}
