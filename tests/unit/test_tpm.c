#include <check.h>
#include <errno.h>
#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/fakes/tpm_dialog.h"

enum {
    RC_LOCALITY = 0x907,
    NV_COUNTER_ATTRIBUTE = 0x10,
    NV_ORDERLY_ATTRIBUTE = 0x04000000,
    ROUNDS = 40,
};

/* --- the TPM alone --- */

START_TEST(a_new_tpm_is_started_and_has_its_banks)
{
    uint8_t pcr[32];
    uint8_t zero[32] = {0};

    read_pcr(TPM_TEST_PCR, pcr);
    ck_assert_mem_eq(pcr, zero, 32);
    send_ok(tpm_pcr_extend(TPM_TEST_PCR, zero));
    read_pcr(TPM_TEST_PCR, pcr);
    ck_assert(memcmp(pcr, zero, 32) != 0);
}
END_TEST

/* Everything that a guest can have in a TPM is still there. */
START_TEST(a_successor_has_it_all)
{
    static const uint8_t digest[32] = {1, 2, 3};
    uint32_t key, session;
    uint8_t before[32], after[32], policy[32];

    send_ok(tpm_pcr_extend(TPM_TEST_PCR, digest));
    read_pcr(TPM_TEST_PCR, before);
    send_ok(tpm_nv_define(TPM_TEST_NV_INDEX, 0, 8));
    send_ok(tpm_nv_write(TPM_TEST_NV_INDEX, 0x1122334455667788));
    send_ok(tpm_nv_define(TPM_TEST_NV_COUNTER, NV_COUNTER_ATTRIBUTE | NV_ORDERLY_ATTRIBUTE, 8));
    for (int i = 0; i < 3; i++)
        send_ok(tpm_nv_increment(TPM_TEST_NV_COUNTER));
    send_ok(tpm_create_primary(false, 1));
    key = be32(rsp + 10);
    send_ok(tpm_start_policy_session());
    session = be32(rsp + 10);
    send_ok(tpm_policy_command_code(session, 0x15d));
    send_ok(tpm_policy_get_digest(session));
    memcpy(policy, rsp + 12, 32);

    fake_vtpm_restart(&f);
    read_pcr(TPM_TEST_PCR, after);
    ck_assert_mem_eq(before, after, 32);
    ck_assert_uint_eq(read_nv(TPM_TEST_NV_INDEX), 0x1122334455667788);
    ck_assert_uint_eq(read_nv(TPM_TEST_NV_COUNTER), 3);
    send_ok(tpm_nv_increment(TPM_TEST_NV_COUNTER));
    ck_assert_uint_eq(read_nv(TPM_TEST_NV_COUNTER), 4);
    send_ok(tpm_sign(key, false));
    send_ok(tpm_policy_get_digest(session));
    ck_assert_mem_eq(rsp + 12, policy, 32);
    send_ok(tpm_flush_context(key));
    send_ok(tpm_flush_context(session));
}
END_TEST

static void get_random(struct tpm *t, uint8_t out[32])
{
    struct tpm_bytes c = tpm_get_random(32);

    ck_assert_int_eq(tpm_execute(t, 0, c.at, c.len), 0);
    ck_assert_uint_eq(t->response_len, 44);
    memcpy(out, t->response + 12, 32);
}

/* The control: libtpms alone does repeat itself. Without it the next test would prove nothing. */
START_TEST(a_stale_export_repeats_random_bytes_when_nothing_is_mixed_in)
{
    struct tpm *t = &f.vtpm.tpm;
    uint8_t first[32], again[32];

    ck_assert_int_eq(tpm_export(t), 0);
    get_random(t, first);
    TPMLIB_Terminate();
    ck_assert_uint_eq(TPMLIB_SetState(TPMLIB_STATE_PERMANENT, t->permanent.bytes, t->permanent.len),
                      0);
    ck_assert_uint_eq(
        TPMLIB_SetState(TPMLIB_STATE_VOLATILE, t->volatile_state.bytes, t->volatile_state.len), 0);
    ck_assert_uint_eq(TPMLIB_MainInit(), 0);
    get_random(t, again);
    ck_assert_mem_eq(first, again, 32);
}
END_TEST

START_TEST(a_stale_export_does_not_repeat_random_bytes_here)
{
    struct tpm *t = &f.vtpm.tpm;
    uint8_t seen[ROUNDS][32];

    ck_assert_int_eq(tpm_export(t), 0);
    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(tpm_roll_back(t), 0);
        get_random(t, seen[i]);
        for (int k = 0; k < i; k++)
            ck_assert(memcmp(seen[i], seen[k], 32) != 0);
    }
}
END_TEST

START_TEST(a_bad_export_is_refused)
{
    struct tpm t = f.vtpm.tpm;
    struct span good = {t.permanent.bytes, t.permanent.len};
    uint8_t bad[64] = {0xee};
    struct tpm other = {0};

    TPMLIB_Terminate();
    ck_assert_int_eq(tpm_restore(&other, good, (struct span){bad, sizeof(bad)}), -EBADMSG);
    ck_assert_int_eq(tpm_restore(&other, (struct span){bad, sizeof(bad)}, good), -EBADMSG);
    free(other.permanent.bytes);
    free(other.volatile_state.bytes);
    ck_assert_int_eq(tpm_roll_back(&f.vtpm.tpm), 0);
}
END_TEST

START_TEST(the_clock_does_not_go_back)
{
    struct timespec pause = clock_timespec(30 * NS_PER_MS);
    uint64_t before, after;

    send_ok(tpm_read_clock());
    (void)nanosleep(&pause, NULL);
    send_ok(tpm_read_clock()); /* read-only: not exported */
    before = be64(rsp + 18);
    fake_vtpm_restart(&f);
    send_ok(tpm_read_clock());
    after = be64(rsp + 18);
    ck_assert_uint_ge(after, before);
    ck_assert_uint_lt(after, before + 10000);
}
END_TEST

START_TEST(slow_keys_are_known_by_their_public_area)
{
    static const uint8_t rsa[] = {0x80, 1, 0, 0, 0,  30, 0, 0, 0, 0, 0,
                                  18,   0, 1, 0, 11, 0,  0, 0, 0, 0, 0};
    uint8_t ecc[] = {0x80, 1, 0, 0, 0, 30, 0, 0, 0,    0, 0,    18, 0, 0x23, 0,
                     11,   0, 0, 0, 0, 0,  0, 0, 0x10, 0, 0x10, 0,  3, 0,    0x10};

    ck_assert(tpm_public_is_slow(rsa, sizeof(rsa), true));
    ck_assert(!tpm_public_is_slow(rsa, sizeof(rsa), false));
    ck_assert(!tpm_public_is_slow(ecc, sizeof(ecc), true));
    ecc[27] = 4; /* P-384 */
    ck_assert(tpm_public_is_slow(ecc, sizeof(ecc), true));
    ck_assert(tpm_public_is_slow(ecc, sizeof(ecc), false));
    ck_assert(!tpm_public_is_slow(ecc, 12, true)); /* cut: there is no key */
    ecc[9] = 1;                                    /* an error */
    ck_assert(!tpm_public_is_slow(ecc, sizeof(ecc), true));
}
END_TEST

/* --- exactly once --- */

/* Each command meets a death at every place where one can fall. */
START_TEST(extends_and_increments_happen_once_wherever_the_kill_falls)
{
    uint8_t model[32] = {0};
    uint8_t digest[32] = {0};
    uint8_t pcr[32];
    uint64_t counter = 0;

    send_ok(tpm_nv_define(TPM_TEST_NV_COUNTER, NV_COUNTER_ATTRIBUTE, 8));
    for (unsigned i = 0; i < ROUNDS; i++) {
        enum fake_cut cut = (enum fake_cut)(i % 5);

        digest[0] = (uint8_t)i;
        ck_assert_uint_eq(send_cut(tpm_pcr_extend(TPM_TEST_PCR, digest), cut), 0);
        model_extend(model, digest);
        ck_assert_uint_eq(send_cut(tpm_nv_increment(TPM_TEST_NV_COUNTER), cut), 0);
        counter++;
        read_pcr(TPM_TEST_PCR, pcr);
        ck_assert_mem_eq(pcr, model, 32);
        ck_assert_uint_eq(read_nv(TPM_TEST_NV_COUNTER), counter);
    }
    ck_assert_uint_gt(f.generation, ROUNDS);
}
END_TEST

START_TEST(read_only_commands_survive_the_kill_too)
{
    uint8_t digest[32] = {9};
    uint8_t model[32] = {0};

    send_ok(tpm_pcr_extend(TPM_TEST_PCR, digest));
    model_extend(model, digest);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert_uint_eq(send_cut(tpm_pcr_read(TPM_TEST_PCR), (enum fake_cut)(i % 5)), 0);
        ck_assert_mem_eq(rsp + 30, model, 32);
    }
}
END_TEST

START_TEST(no_random_output_repeats_wherever_the_kill_falls)
{
    static uint8_t seen[2 * ROUNDS][16];

    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        ck_assert_uint_eq(send_cut(tpm_get_random(16), (enum fake_cut)(i % 5)), 0);
        ck_assert_uint_eq(fake_response_len(&f), 28);
        memcpy(seen[i], rsp + 12, 16);
        for (unsigned k = 0; k < i; k++)
            ck_assert(memcmp(seen[i], seen[k], 16) != 0);
    }
}
END_TEST

START_TEST(registers_survive_a_kill_after_every_write)
{
    struct tpm_bytes c = tpm_get_random(8);

    fake_write(&f, CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST, CUT_BETWEEN);
    ck_assert_uint_eq(fake_register(&f, CRB_LOC_STS), CRB_LOC_STS_GRANTED);
    fake_write(&f, CRB_CTRL_REQ, CRB_REQ_CMD_READY, CUT_BEFORE_COMMIT);
    ck_assert_uint_eq(fake_register(&f, CRB_CTRL_STS), 0);
    memcpy(f.memory.buffer, c.at, c.len);
    fake_vtpm_restart(&f); /* must not touch what the guest has written */
    ck_assert_mem_eq(f.memory.buffer, c.at, c.len);
    fake_write(&f, CRB_CTRL_START, 1, CUT_BETWEEN);
    fake_wait(&f);
    ck_assert_uint_eq(fake_response_len(&f), 20);
    fake_write(&f, CRB_CTRL_REQ, CRB_REQ_GO_IDLE, CUT_AFTER_RELEASE);
    ck_assert_uint_eq(fake_register(&f, CRB_CTRL_STS), CRB_STS_IDLE);
    fake_write(&f, CRB_LOC_CTRL, CRB_LOC_CTRL_RELINQUISH, CUT_BETWEEN);
    ck_assert_uint_eq(fake_register(&f, CRB_LOC_STS), 0);
}
END_TEST

/* The response was read, the next command is being written; only then comes the kill. */
START_TEST(a_response_is_not_written_twice)
{
    struct tpm_bytes c = tpm_get_random(8);

    for (unsigned i = 0; i < 5; i++) {
        fake_begin(&f, c.at, c.len, (enum fake_cut)i);
        memset(f.memory.buffer, 0xab, CRB_BUFFER_BYTES);
        fake_vtpm_restart(&f);
        for (unsigned k = 0; k < CRB_BUFFER_BYTES; k++)
            ck_assert_uint_eq(f.memory.buffer[k], 0xab);
        fake_write(&f, CRB_CTRL_REQ, CRB_REQ_GO_IDLE, CUT_NONE);
        fake_write(&f, CRB_LOC_CTRL, CRB_LOC_CTRL_RELINQUISH, CUT_NONE);
    }
}
END_TEST

START_TEST(only_what_changed_is_exported)
{
    static const uint8_t digest[32] = {1};
    uint64_t exports;

    send_ok(tpm_pcr_extend(TPM_TEST_PCR, digest));
    exports = row("tpm/exports");
    send_ok(tpm_pcr_read(TPM_TEST_PCR));
    send_ok(tpm_get_random(8));
    send_ok(tpm_read_clock());
    send_ok(tpm_pcr_extend(TPM_TEST_PCR, digest));
    ck_assert_uint_eq(row("tpm/exports"), exports);
    send_ok(tpm_nv_define(TPM_TEST_NV_INDEX, 0, 8));
    ck_assert_uint_eq(row("tpm/exports"), exports + 1);
    fake_vtpm_restart(&f);
    exports = row("tpm/exports");
    send_ok(tpm_get_random(8)); /* libtpms stores when it is restored */
    send_ok(tpm_get_random(8));
    ck_assert_uint_eq(row("tpm/exports"), exports + 1);
    send_ok(tpm_audit_get_random());
    send_ok(tpm_get_random(8)); /* extends the audit digest */
    ck_assert_uint_eq(row("tpm/exports"), exports + 3);
    fake_vtpm_restart(&f);
    send_ok(tpm_get_random(8)); /* libtpms stores when it is restored: exported once in any case */
    exports = row("tpm/exports");
    send_ok(tpm_get_random(8));
    ck_assert_uint_eq(row("tpm/exports"), exports + 1);
}
END_TEST

/* --- long commands --- */

START_TEST(a_long_command_does_not_hold_the_vcpu)
{
    struct tpm_bytes c = tpm_create_primary(true, 1);

    fake_begin(&f, c.at, c.len, CUT_NONE);
    fake_wait(&f);
    (void)pthread_mutex_lock(&f.worker.lock);
    ck_assert_uint_eq(region_executing(f.memory.region, 0), 0);
    (void)pthread_mutex_unlock(&f.worker.lock);
    ck_assert_uint_gt(fake_end(&f, rsp), 100);
    ck_assert_uint_eq(be32(rsp + 6), 0);
    ck_assert_uint_eq(row("crb/commands_long"), 1);
    ck_assert_uint_eq(f.worker.background, 0);
    send_ok(tpm_sign(be32(rsp + 10), true));
    ck_assert_uint_eq(row("crb/commands_long"), 2); /* by its key */
}
END_TEST

START_TEST(a_long_command_is_started_again_after_a_kill)
{
    struct tpm_bytes c = tpm_create_primary(true, 2);
    uint64_t number;

    for (unsigned i = 0; i < 5; i++) {
        fake_begin(&f, c.at, c.len, (enum fake_cut)i);
        (void)pthread_mutex_lock(&f.worker.lock);
        number = f.vtpm.number;
        if (fake_register(&f, CRB_CTRL_START) == 1)
            ck_assert_uint_eq(region_executing(f.memory.region, 0), UINT64_C(1) << 63 | number);
        (void)pthread_mutex_unlock(&f.worker.lock);
        memset(f.memory.buffer, 0xcd, 64); /* the command was copied */
        fake_vtpm_restart(&f);
        ck_assert_uint_eq(f.vtpm.number, number);
        fake_wait(&f);
        (void)fake_end(&f, rsp);
        if (be32(rsp) == 0xcdcdcdcd)
            continue; /* it had ended before, and we have overwritten its answer */
        ck_assert_uint_eq(be32(rsp + 6), 0);
        send_ok(tpm_flush_context(be32(rsp + 10)));
    }
}
END_TEST

static void cancel(void)
{
    fake_write(&f, CRB_CTRL_CANCEL, 1, CUT_NONE);
    fake_wait(&f);
    fake_write(&f, CRB_CTRL_CANCEL, 0, CUT_NONE);
    (void)fake_end(&f, rsp);
}

START_TEST(cancel_ends_a_prime_search)
{
    unsigned cancelled = 0;

    for (uint32_t i = 0; i < 20; i++) {
        struct tpm_bytes c = tpm_create_primary(true, 100 + i);
        struct timespec pause = clock_timespec(i % 4 * 300 * NS_PER_US);

        fake_begin(&f, c.at, c.len, CUT_NONE);
        (void)nanosleep(&pause, NULL); /* before it has begun, and while it runs */
        cancel();
        if (be32(rsp + 6) == COMMAND_RC_CANCELED)
            cancelled++;
        else
            send_ok(tpm_flush_context(be32(rsp + 10))); /* it was faster */
    }
    ck_assert_uint_ge(cancelled, 15);
    ck_assert_uint_eq(row("crb/cancelled"), cancelled);
    send_ok(tpm_get_random(8));
}
END_TEST

/* START and CANCEL before the executor gets to run. */
START_TEST(cancel_ends_a_command_that_has_not_begun)
{
    struct tpm_bytes c = tpm_create_primary(true, 6);
    struct port_request start = {.op = PORT_WRITE,
                                 .space = PORT_SPACE_MMIO,
                                 .addr = CRB_ADDR + CRB_CTRL_START,
                                 .size = 4,
                                 .data = 1};
    struct port_request stop = start;
    uint64_t data;

    stop.addr = CRB_ADDR + CRB_CTRL_CANCEL;
    send_ok(tpm_get_random(8)); /* whose response must not come back */
    fake_write(&f, CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST, CUT_NONE);
    fake_write(&f, CRB_CTRL_REQ, CRB_REQ_CMD_READY, CUT_NONE);
    memcpy(f.memory.buffer, c.at, c.len);
    start.seq = ++f.seq;
    stop.seq = ++f.seq;
    (void)pthread_mutex_lock(&f.worker.lock);
    ck_assert(fake_serve(&f, &start, CUT_NONE, &data));
    ck_assert(f.vtpm.queued);
    ck_assert_mem_eq(f.memory.buffer, c.at, c.len);
    ck_assert(fake_serve(&f, &stop, CUT_NONE, &data));
    (void)pthread_mutex_unlock(&f.worker.lock);
    fake_wait(&f);
    (void)fake_end(&f, rsp);
    ck_assert_uint_eq(be32(rsp + 6), COMMAND_RC_CANCELED);
}
END_TEST

START_TEST(a_command_started_under_cancel_is_not_executed)
{
    uint8_t digest[32] = {1};
    uint8_t zero[32] = {0};
    uint8_t pcr[32];
    struct tpm_bytes c = tpm_pcr_extend(TPM_TEST_PCR, digest);

    fake_write(&f, CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST, CUT_NONE);
    fake_write(&f, CRB_CTRL_REQ, CRB_REQ_CMD_READY, CUT_NONE);
    fake_write(&f, CRB_CTRL_CANCEL, 1, CUT_NONE);
    memcpy(f.memory.buffer, c.at, c.len);
    fake_write(&f, CRB_CTRL_START, 1, CUT_NONE);
    (void)fake_end(&f, rsp);
    ck_assert_uint_eq(be32(rsp + 6), COMMAND_RC_CANCELED);
    read_pcr(TPM_TEST_PCR, pcr);
    ck_assert_mem_eq(pcr, zero, 32);
}
END_TEST

START_TEST(a_command_given_up_answers_nobody)
{
    struct tpm_bytes c = tpm_create_primary(true, 3);

    fake_begin(&f, c.at, c.len, CUT_NONE);
    memset(f.memory.buffer, 0xab, 64);
    fake_write(&f, CRB_CTRL_REQ, CRB_REQ_GO_IDLE, CUT_NONE);
    while (fake_register(&f, CRB_CTRL_REQ) != 0)
        (void)sched_yield();
    ck_assert_uint_eq(fake_register(&f, CRB_CTRL_START), 0);
    ck_assert_uint_eq(fake_register(&f, CRB_CTRL_STS), CRB_STS_IDLE);
    ck_assert_uint_eq(f.memory.buffer[0], 0xab);
    send_ok(tpm_get_random(8));
    ck_assert_uint_eq(fake_response_len(&f), 20);
}
END_TEST

/* --- what goes wrong --- */

START_TEST(a_poisoned_start_is_answered_and_not_executed)
{
    uint8_t digest[32] = {1};
    uint8_t zero[32] = {0};
    uint8_t pcr[32];
    struct tpm_bytes c = tpm_pcr_extend(TPM_TEST_PCR, digest);

    f.poison = worker_request_id(0, f.seq + 4); /* the START of the next command */
    ck_assert_uint_eq(fake_command(&f, c.at, c.len, CUT_BEFORE_COMMIT, rsp), COMMAND_RC_CANCELED);
    ck_assert_uint_eq(row("crb/poisoned"), 1);
    f.poison = 0;
    read_pcr(TPM_TEST_PCR, pcr);
    ck_assert_mem_eq(pcr, zero, 32);
}
END_TEST

START_TEST(a_poisoned_long_command_is_answered_and_never_tried_again)
{
    struct tpm_bytes c = tpm_create_primary(true, 4);

    f.poison = UINT64_C(1) << 63 | (f.vtpm.number + 1);
    fake_begin(&f, c.at, c.len, CUT_AFTER_RELEASE);
    ck_assert_uint_eq(fake_register(&f, CRB_CTRL_START), 0);
    ck_assert_uint_eq(be32(f.memory.buffer + 6), COMMAND_RC_CANCELED);
    f.poison = 0;
    fake_vtpm_restart(&f);
    ck_assert_uint_eq(fake_register(&f, CRB_CTRL_START), 0);
    ck_assert_uint_eq(fake_end(&f, rsp), COMMAND_HEADER_BYTES);
    send_ok(tpm_get_random(8));
}
END_TEST

START_TEST(a_parked_tpm_fails_every_command_and_forgets_nothing)
{
    uint8_t digest[32] = {1};
    uint8_t model[32] = {0};
    uint8_t pcr[32];

    send_ok(tpm_pcr_extend(TPM_TEST_PCR, digest));
    model_extend(model, digest);
    f.parked = true;
    fake_vtpm_restart(&f);
    ck_assert_uint_eq(send(tpm_pcr_extend(TPM_TEST_PCR, digest)), COMMAND_RC_FAILURE);
    ck_assert_uint_eq(send(tpm_create_primary(true, 1)), COMMAND_RC_FAILURE);
    fake_vtpm_restart(&f);
    ck_assert_uint_eq(send(tpm_get_random(8)), COMMAND_RC_FAILURE);
    f.parked = false;
    fake_vtpm_restart(&f);
    read_pcr(TPM_TEST_PCR, pcr);
    ck_assert_mem_eq(pcr, model, 32);
}
END_TEST

START_TEST(a_long_command_fails_when_its_tpm_is_parked)
{
    struct tpm_bytes c = tpm_create_primary(true, 5);

    f.parked = true;
    fake_begin(&f, c.at, c.len, CUT_AFTER_COMMIT);
    ck_assert_uint_eq(fake_register(&f, CRB_CTRL_START), 0);
    ck_assert_uint_eq(be32(f.memory.buffer + 6), COMMAND_RC_FAILURE);
}
END_TEST

START_TEST(a_tpm_parked_before_it_was_made_is_made_when_revived)
{
    fake_vtpm_free(&f);
    memset(&f, 0, sizeof(f));
    f.memory = fake_memory_new();
    f.board = (struct board_page *)(void *)fake_zeroed(BOARD_BYTES);
    f.parked = true;
    fake_vtpm_start(&f);
    ck_assert_uint_eq(send(tpm_get_random(8)), COMMAND_RC_FAILURE);
    f.parked = false;
    fake_vtpm_restart(&f);
    send_ok(tpm_get_random(8));
}
END_TEST

START_TEST(malformed_commands_get_the_answers_of_hardware)
{
    uint8_t c[CRB_BUFFER_BYTES] = {0x80, 0x01, 0, 0, 0, 9, 0, 0, 1, 0x7b, 0, 8};

    ck_assert_uint_eq(fake_command(&f, c, 12, CUT_NONE, rsp), COMMAND_RC_SIZE);
    c[2] = 0xff;
    ck_assert_uint_eq(fake_command(&f, c, 12, CUT_NONE, rsp), COMMAND_RC_SIZE);
    c[2] = 0;
    c[5] = 12;
    c[0] = 0x12; /* tag */
    ck_assert_uint_eq(fake_command(&f, c, 12, CUT_NONE, rsp), 0x1e);
    ck_assert_uint_eq(be32(rsp) >> 16, 0x00c4);
    c[0] = 0x80;
    c[9] = 0xfe; /* code */
    ck_assert_uint_eq(fake_command(&f, c, 12, CUT_NONE, rsp), 0x143);
    c[9] = 0x7b;
    ck_assert_uint_eq(fake_command(&f, c, 12, CUT_NONE, rsp), 0);
}
END_TEST

START_TEST(the_locality_reaches_the_tpm)
{
    struct tpm_bytes c = tpm_pcr_reset(20);

    ck_assert_uint_eq(send(c), RC_LOCALITY);
    fake_write(&f, 2 * CRB_PAGE_BYTES + CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST, CUT_NONE);
    fake_write(&f, 2 * CRB_PAGE_BYTES + CRB_CTRL_REQ, CRB_REQ_CMD_READY, CUT_NONE);
    memcpy(f.memory.buffer, c.at, c.len);
    fake_write(&f, 2 * CRB_PAGE_BYTES + CRB_CTRL_START, 1, CUT_BEFORE_COMMIT);
    ck_assert_uint_eq(be32(f.memory.buffer + 6), 0);
}
END_TEST

static TPM_RESULT failing_store(const unsigned char *data, uint32_t len, uint32_t number,
                                const char *name)
{
    (void)data;
    (void)len;
    (void)number;
    (void)name;
    return TPM_FAIL;
}

static TPM_RESULT empty_load(unsigned char **data, uint32_t *len, uint32_t number, const char *name)
{
    (void)data;
    (void)len;
    (void)number;
    (void)name;
    return TPM_RETRY;
}

/* A store that fails is what breaks libtpms for good; ours cannot, so one is put in its place. */
START_TEST(a_command_that_breaks_the_tpm_fails_alone)
{
    struct libtpms_callbacks broken = {.sizeOfStruct = sizeof(broken),
                                       .tpm_nvram_loaddata = empty_load,
                                       .tpm_nvram_storedata = failing_store};
    uint8_t digest[32] = {1};
    uint8_t model[32] = {0};
    uint8_t pcr[32];

    for (int i = 0; i < 3; i++) { /* the last ones are only logged */
        send_ok(tpm_pcr_extend(TPM_TEST_PCR, digest));
        model_extend(model, digest);
    }
    ck_assert_uint_eq(TPMLIB_RegisterCallbacks(&broken), 0);
    ck_assert_uint_eq(send(tpm_nv_define(TPM_TEST_NV_INDEX, 0, 8)), COMMAND_RC_FAILURE);
    ck_assert_uint_eq(row("tpm/rolled_back"), 1);
    read_pcr(TPM_TEST_PCR, pcr);
    ck_assert_mem_eq(pcr, model, 32);
    fake_vtpm_restart(&f); /* with our store again */
    send_ok(tpm_nv_define(TPM_TEST_NV_INDEX, 0, 8));
}
END_TEST

START_TEST(accesses_outside_are_nothing)
{
    struct port_request rq = {.op = PORT_READ, .addr = CRB_ADDR + CRB_BYTES, .size = 4};

    ck_assert_uint_eq(fake_access(&f, &rq, CUT_NONE), 0xffffffff);
    rq.addr = CRB_ADDR - 1;
    ck_assert_uint_eq(fake_access(&f, &rq, CUT_NONE), 0xffffffff);
    rq.op = PORT_WRITE;
    ck_assert_uint_eq(fake_access(&f, &rq, CUT_NONE), 0);
}
END_TEST

/* A backend without read-only memory asks; it must be told what the page says. */
START_TEST(reads_by_request_are_what_the_page_says)
{
    for (uint32_t at = 0; at < 0x70; at += 4) {
        struct port_request rq = {.op = PORT_READ, .addr = CRB_ADDR + at, .size = 4};

        ck_assert_uint_eq(fake_access(&f, &rq, CUT_NONE), fake_register(&f, at));
    }
}
END_TEST

START_TEST(a_state_that_does_not_parse_is_refused)
{
    struct worker *w = &f.worker;
    uint8_t *stage;

    send_ok(tpm_get_random(8));
    stage = region_stage(&w->region);
    memset(stage, 0xff, 256);
    memset(stage, 0, 4); /* no answers */
    region_commit(&w->region, 256, VTPM_SCHEMA);
    fake_vtpm_die(&f);
    ck_assert_int_eq(fake_vtpm_try_start(&f), -EBADMSG);
}
END_TEST

/* The word that says what its registers are, as one wrote it that was taken over. */
static void spoil_registers(uint32_t word)
{
    struct crb_shared *shared = (struct crb_shared *)(void *)f.memory.registers;
    uint64_t epoch = atomic_load(&shared->state) >> 32;

    atomic_store(&shared->state, epoch << 32 | word);
}

START_TEST(registers_that_contradict_the_state_are_not_taken)
{
    static const uint32_t words[] = {UINT32_C(1) << 20, CRB_RUNNING};

    for (unsigned i = 0; i < 2 * COUNT_OF(words); i++) {
        if (i >= 2) /* before the first command there is no state yet */
            send_ok(tpm_get_random(8));
        spoil_registers(words[i % 2]);
        fake_vtpm_restart(&f);
        send_ok(tpm_get_random(8));
    }
}
END_TEST

START_TEST(nor_do_they_keep_a_parked_one_from_answering)
{
    struct tpm_bytes c = tpm_get_random(8);

    send_ok(tpm_get_random(8));
    spoil_registers(CRB_RUNNING);
    f.parked = true;
    fake_vtpm_restart(&f);
    fake_begin(&f, c.at, c.len, CUT_NONE);
    fake_wait(&f);
    (void)fake_end(&f, rsp);
    ck_assert_uint_eq(be32(rsp + 6), COMMAND_RC_FAILURE);
}
END_TEST

START_TEST(a_state_with_something_behind_it_is_refused)
{
    struct worker *w = &f.worker;
    struct wr out;
    size_t len;

    send_ok(tpm_get_random(8));
    out = wr_over(region_stage(&w->region), w->region.cap);
    wr_le32(&out, 0); /* no answers */
    vtpm_save(&f.vtpm, &out);
    wr_u8(&out, 0);
    ck_assert_int_eq(wr_finish(&out, &len), 0);
    region_commit(&w->region, len, VTPM_SCHEMA);
    fake_vtpm_die(&f);
    ck_assert_int_eq(fake_vtpm_try_start(&f), -EBADMSG);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_new_tpm_is_started_and_has_its_banks,
        a_successor_has_it_all,
        a_stale_export_repeats_random_bytes_when_nothing_is_mixed_in,
        a_stale_export_does_not_repeat_random_bytes_here,
        a_bad_export_is_refused,
        the_clock_does_not_go_back,
        slow_keys_are_known_by_their_public_area,
        extends_and_increments_happen_once_wherever_the_kill_falls,
        read_only_commands_survive_the_kill_too,
        no_random_output_repeats_wherever_the_kill_falls,
        registers_survive_a_kill_after_every_write,
        a_response_is_not_written_twice,
        only_what_changed_is_exported,
        a_long_command_does_not_hold_the_vcpu,
        a_long_command_is_started_again_after_a_kill,
        cancel_ends_a_prime_search,
        cancel_ends_a_command_that_has_not_begun,
        a_command_started_under_cancel_is_not_executed,
        a_command_given_up_answers_nobody,
        a_poisoned_start_is_answered_and_not_executed,
        a_poisoned_long_command_is_answered_and_never_tried_again,
        a_parked_tpm_fails_every_command_and_forgets_nothing,
        a_long_command_fails_when_its_tpm_is_parked,
        a_tpm_parked_before_it_was_made_is_made_when_revived,
        malformed_commands_get_the_answers_of_hardware,
        the_locality_reaches_the_tpm,
        a_command_that_breaks_the_tpm_fails_alone,
        accesses_outside_are_nothing,
        reads_by_request_are_what_the_page_says,
        a_state_that_does_not_parse_is_refused,
        a_state_with_something_behind_it_is_refused,
        registers_that_contradict_the_state_are_not_taken,
        nor_do_they_keep_a_parked_one_from_answering,
    };
    Suite *s = suite_create("tpm");
    TCase *t = tcase_create("tpm");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, teardown);
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
