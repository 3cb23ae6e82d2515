/*
 * tests/fault/sim_storage_faults.c - poison, hang, crash loop, parking, revival; with faulty_storage.c.
 *
 * A verified load runs on all the time, on another unit of the same controller: it must lose nothing, and see
 * no error but those of a parked unit. What cannot be done is told in SCSI terms.
 */
#include <string.h>

#include "base/clock.h"
#include "supervisor/lifecycle.h"
#include "tests/fault/faulty_storage.h"
#include "tests/sim/disk_load.h"

enum {
    RING_PAGES = 9,
    CHANNELS = 3,
    QD = 4,
    LUN_LOAD = 0,
    LUN_FAULT = 1,
    SENSE_POISONED = 0x44400, /* hardware error, internal target failure */
    SENSE_NOT_READY_KEY = 2,
    OP_TEST_READY = 0,
};

static const uint64_t LOOK_NS = 10 * NS_PER_MS;

struct story {
    struct sim *sim;
    struct registry_row *row;
    struct vmbus_guest vmbus;
    struct scsi_guest scsi;
    struct disk_model model;
    struct disk_load load;
    _Atomic bool revive_wanted;
    _Atomic bool loading, ready; /* vCPU 1 puts the load in; or at least takes interrupts */
};

static struct story *the_story(void)
{
    static struct story story;

    return &story;
}

static bool inquire(struct story *s, uint8_t page, struct scsi_rq *rq)
{
    const uint8_t cdb[6] = {FAULT_OPCODE, 1, page, 0, 64, 0};

    return scsi_ask(&s->scsi, 0, LUN_FAULT, cdb, sizeof(cdb), NULL, 64, rq);
}

static bool fail(struct story *s, const char *what, const struct scsi_rq *rq)
{
    vmbus_fail(&s->vmbus, "%s: srb %#x, scsi %#x, sense %#x; %s", what, rq->srb_status,
               rq->scsi_status, scsi_sense_of(rq), s->row->shown.last_death->text);
    return false;
}

static bool is_ready(struct story *s, uint8_t lun, struct scsi_rq *rq)
{
    static const uint8_t cdb[6] = {OP_TEST_READY};

    return scsi_ask(&s->scsi, 0, lun, cdb, sizeof(cdb), NULL, 0, rq) && scsi_is_good(rq);
}

static void say(struct story *s, const char *what, const struct scsi_rq *rq, uint64_t began)
{
    sim_print(s->sim, 0, "%s: sense %#x after %llu ms; %s\n", what, scsi_sense_of(rq),
              (unsigned long long)((clock_now_ns() - began) / NS_PER_MS),
              s->row->shown.last_death->text);
}

/* It kills two generations and is answered; then its unit works as before. */
static bool poison(struct story *s, const char *what, uint8_t page, const char *told)
{
    uint64_t before = s->row->shown.faults->value;
    uint64_t began = clock_now_ns();
    uint64_t good = s->load.done[LOAD_WRITE];
    struct scsi_rq rq;

    if (!inquire(s, page, &rq))
        return false;
    say(s, what, &rq, began);
    if (scsi_sense_of(&rq) != SENSE_POISONED || s->row->shown.faults->value != before + 2)
        return fail(s, what, &rq);
    if (strstr(s->row->shown.last_death->text, told) == NULL)
        return fail(s, "operators were told otherwise", &rq);
    if (!sim_died_doing(s->sim, PROCESS_STORAGE, DOING_SCSI, FAULT_OPCODE))
        return false;
    if (!is_ready(s, LUN_FAULT, &rq))
        return fail(s, "the command after it", &rq);
    while (s->load.done[LOAD_WRITE] < good + 10 && !s->vmbus.failed)
        (void)vmbus_halt(&s->vmbus, 0, LOOK_NS);
    return !s->vmbus.failed;
}

static bool await_state(struct story *s, enum row_state state)
{
    uint64_t end = clock_now_ns() + 30 * NS_PER_S;

    while (s->row->state != state || s->row->live.active_ns == 0) {
        if (clock_now_ns() > end || s->vmbus.failed) {
            vmbus_fail(&s->vmbus, "it does not become %s",
                       state == ROW_PARKED ? "parked" : "running again");
            return false;
        }
        (void)vmbus_halt(&s->vmbus, 0, LOOK_NS);
    }
    return true;
}

/* Kill until the generations that crash have their turn. */
static bool reach_loop(struct story *s)
{
    uint64_t end = clock_now_ns() + 60 * NS_PER_S;

    health_forget(&s->row->health); /* the faults before are another story */
    while (s->row->state != ROW_PARKED && !s->vmbus.failed) {
        if (clock_now_ns() > end)
            vmbus_fail(&s->vmbus, "it does not park");
        if (s->row->live.number < FAULT_LOOP_FIRST - 1 ||
            (s->row->live.number == FAULT_LOOP_FIRST - 1 && s->row->state == ROW_RUNNING))
            (void)sim_kill(s->sim, PROCESS_STORAGE);
        (void)vmbus_halt(&s->vmbus, 0, LOOK_NS);
    }
    return await_state(s, ROW_PARKED);
}

static bool park_and_revive(struct story *s)
{
    static const uint8_t inquiry[6] = {FAULT_OPCODE, [4] = 36};
    struct scsi_rq rq;

    if (!reach_loop(s))
        return false;
    if (is_ready(s, LUN_FAULT, &rq) || scsi_sense_of(&rq) >> 16 != SENSE_NOT_READY_KEY)
        return fail(s, "a unit that is parked", &rq);
    if (!scsi_ask(&s->scsi, 0, LUN_FAULT, inquiry, sizeof(inquiry), NULL, 36, &rq) ||
        !scsi_is_good(&rq))
        return fail(s, "INQUIRY of a unit that is parked", &rq);
    sim_print(s->sim, 0, "parked; %llu errors\n", (unsigned long long)s->load.errors);
    s->revive_wanted = true;
    if (!await_state(s, ROW_RUNNING))
        return false;
    return is_ready(s, LUN_FAULT, &rq) || fail(s, "and revived", &rq);
}

static bool prepare(struct story *s)
{
    uint64_t bytes;

    vmbus_start(&s->vmbus, s->sim, 1);
    s->ready = true;
    if (!vmbus_connect(&s->vmbus, 0x50003) ||
        !scsi_connect(&s->scsi, &s->vmbus, 0, CHANNELS, RING_PAGES))
        return false;
    bytes = scsi_capacity(&s->scsi, 0, LUN_LOAD);
    model_init(&s->model, (uint32_t)(bytes / MODEL_SECTOR), 1);
    load_init(&s->load, &s->scsi, &s->model, LUN_LOAD, 1);
    s->load.errors_expected = true;
    s->load.qd = QD;
    return bytes != 0;
}

static bool finish(struct story *s)
{
    uint8_t digest[32];

    if (s->load.errors == 0)
        vmbus_fail(&s->vmbus, "a parked disk made no errors");
    return load_drain(&s->load, 0) && load_verify_all(&s->load, 0, digest) &&
           load_verify_registrations(&s->load, 0);
}

static void guest(struct sim *sim)
{
    struct story *s = the_story();
    bool good;

    s->sim = sim;
    s->row = &sim->super.registry.rows[PROCESS_STORAGE];
    if (!prepare(s))
        return;
    s->loading = true;
    good = poison(s, "a command that crashes the worker", FAULT_CRASH_PAGE, "signal 11") &&
           poison(s, "a command that hangs it", FAULT_HANG_PAGE, "hang");
    if (good && s->load.errors > 0)
        vmbus_fail(&s->vmbus, "the other unit saw %llu errors", (unsigned long long)s->load.errors);
    good = good && park_and_revive(s);
    s->loading = false;
    sim_sleep_ns(100 * NS_PER_MS);
    if (good && finish(s)) {
        load_print(&s->load, "the other unit");
        sim_pass(sim);
    }
}

static void vcpu(struct sim *sim, unsigned index)
{
    struct story *s = the_story();

    while (!vm_has_ended(&sim->super.vm)) {
        if (s->loading)
            load_step(&s->load, index);
        else if (s->ready)
            (void)vmbus_halt(&s->vmbus, index, NS_PER_MS);
        else
            sim_sleep_ns(NS_PER_MS);
    }
}

/* As an operator: on the loop's thread, where the registry lives. */
static void every_tick(struct sim *sim)
{
    struct story *s = the_story();

    if (!s->revive_wanted)
        return;
    s->revive_wanted = false;
    (void)lifecycle_revive(&sim->super.registry, PROCESS_STORAGE);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .vcpu = vcpu, .every_tick = every_tick};

    return sim_main(&sim, argc, argv);
}
