/*
 * tests/fault/sim_storage_kill.c - SIGKILLs of the storage and vmbus workers at random instants, under a
 * verified load on a disk.
 *
 * Arguments: kills=N vmbus_kills=N seed=N seconds=N (at least so long) channels=N qd=N kb=N (each 0: as chance
 * has it, phase by phase) max_gap_us=N phase_ms=N; sham=1: the same instants, and nobody is killed, to compare
 * the times with.
 *
 * Between phases all is drained, and channels are closed and opened with other numbers, or the whole connection
 * begins anew; during them channels are moved to other vCPUs. At the end all of the disk is read and
 * compared with the model, and its digest printed: whoever started this compares it with the file.
 */
#include <string.h>

#include "base/clock.h"
#include "tests/sim/disk_load.h"

enum {
    RING_PAGES = 17,
    MOVES_EVERY_NS = 20 * 1000 * 1000,
    RELOAD_EVERY = 4, /* phases */
};

struct test {
    struct sim *sim;
    struct vmbus_guest vmbus;
    struct scsi_guest scsi;
    struct disk_model model;
    struct disk_load load;
    uint64_t random;
    _Atomic unsigned round;           /* odd: a phase is on, the other vCPUs put requests in */
    _Atomic unsigned seen[GUEST_VPS]; /* what each of them saw of it last */
    _Atomic uint64_t kills, vmbus_kills;
    unsigned phases, connections;
};

/* More than a stack should hold, and all threads' . */
static struct test *the_test(void)
{
    static struct test test;

    return &test;
}

static uint64_t choose(struct test *t, const char *name, uint64_t most)
{
    uint64_t value = sim_option(t->sim, name, 0);

    /* Low numbers as often as high ones. */
    return value != 0 ? value : 1 + sim_random(&t->random) % (1 + sim_random(&t->random) % most);
}

static bool connect_all(struct test *t)
{
    static const uint32_t versions[] = {0x50003, 0x50002, 0x40001, 0x20004, 0x50003};
    uint32_t version = versions[t->connections++ % COUNT_OF(versions)];

    return vmbus_connect(&t->vmbus, version) &&
           scsi_connect(&t->scsi, &t->vmbus, 0, (unsigned)choose(t, "channels", 8), RING_PAGES);
}

/* Other channels than before: closed one by one, or with the connection. */
static bool reconnect(struct test *t)
{
    if (t->phases++ == 0)
        return connect_all(t);
    if (sim_random(&t->random) % RELOAD_EVERY == 0)
        return scsi_disconnect(&t->scsi) && vmbus_unload(&t->vmbus) && connect_all(t);
    return scsi_disconnect(&t->scsi) &&
           scsi_connect(&t->scsi, &t->vmbus, 0, (unsigned)choose(t, "channels", 8), RING_PAGES);
}

static bool move_one(struct test *t)
{
    unsigned i = (unsigned)(sim_random(&t->random) % t->scsi.n_queues);

    return vmbus_move(&t->vmbus, &t->scsi.queues[i].channel,
                      (uint32_t)(sim_random(&t->random) % t->vmbus.n_vps));
}

static bool all_have_seen(const struct test *t)
{
    for (unsigned vp = 1; vp < t->vmbus.n_vps; vp++) {
        if (t->seen[vp] != t->round)
            return false;
    }
    return true;
}

static bool run_phase(struct test *t)
{
    uint64_t end = clock_now_ns() + sim_option(t->sim, "phase_ms", 500) * NS_PER_MS;
    uint64_t next_move = 0;

    t->load.qd = (unsigned)choose(t, "qd", 256);
    t->load.polls = sim_random(&t->random) % 3 == 0;
    t->load.max_sectors =
        2 * (uint32_t)choose(t, "kb", t->load.qd * t->scsi.n_queues > 256 ? 64 : 512);
    t->round++;
    while (clock_now_ns() < end && !t->vmbus.failed) {
        load_step(&t->load, 0);
        if (t->vmbus.version >= 0x40001 && clock_now_ns() > next_move) {
            next_move = clock_now_ns() + MOVES_EVERY_NS;
            (void)move_one(t);
        }
    }
    t->round++;
    while (!all_have_seen(t) && !t->vmbus.failed)
        (void)vmbus_halt(&t->vmbus, 0, NS_PER_MS);
    return load_drain(&t->load, 0);
}

static bool prepare(struct test *t)
{
    uint64_t bytes;

    vmbus_start(&t->vmbus, t->sim, t->random);
    if (!reconnect(t))
        return false;
    bytes = scsi_capacity(&t->scsi, 0, 0);
    if (bytes == 0 || bytes / MODEL_SECTOR > MODEL_SECTORS_MAX) {
        vmbus_fail(&t->vmbus, "a disk of %llu bytes", (unsigned long long)bytes);
        return false;
    }
    model_init(&t->model, (uint32_t)(bytes / MODEL_SECTOR), t->random & 0xffffffff);
    load_init(&t->load, &t->scsi, &t->model, 0, t->random);
    return true;
}

static void finish(struct test *t)
{
    uint8_t digest[32];
    char text[65] = "";

    if (!load_verify_all(&t->load, 0, digest) || !load_verify_registrations(&t->load, 0))
        return;
    for (unsigned i = 0; i < sizeof(digest); i++) {
        text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    sim_print(t->sim, 0, "kills %llu of storage%s, %llu of vmbus; %u phases, %u connections\n",
              (unsigned long long)t->kills, t->load.shams > 0 ? " (sham: none)" : "",
              (unsigned long long)t->vmbus_kills, t->phases, t->connections);
    load_print(&t->load, "load");
    sim_print(t->sim, 0, "sha256 %s\n", text);
    t->sim->finished = true;
    if (sim_faultless(t->sim, PROCESS_STORAGE) && sim_faultless(t->sim, PROCESS_VMBUS))
        sim_pass(t->sim);
}

static bool is_over(struct test *t, uint64_t end)
{
    return t->kills >= sim_option(t->sim, "kills", 100) &&
           t->vmbus_kills >= sim_option(t->sim, "vmbus_kills", 25) && clock_now_ns() >= end;
}

static void guest(struct sim *sim)
{
    struct test *t = the_test();
    uint64_t end = clock_now_ns() + sim_option(sim, "seconds", 0) * NS_PER_S;

    t->sim = sim;
    t->random = sim_option(sim, "seed", 1);
    sim_print(sim, 0, "seed=%llu\n", (unsigned long long)t->random);
    if (!prepare(t) || !run_phase(t))
        return;
    while (!is_over(t, end)) {
        if (!reconnect(t) || !run_phase(t))
            return;
    }
    finish(t);
}

static void vcpu(struct sim *sim, unsigned index)
{
    struct test *t = the_test();

    while (!vm_has_ended(&sim->super.vm)) {
        unsigned round = t->round;

        t->seen[index] = round;
        if (round % 2 != 0)
            load_step(&t->load, index);
        else if (round > 0)
            (void)vmbus_halt(&t->vmbus, index, NS_PER_MS);
        else
            sim_sleep_ns(NS_PER_MS);
    }
}

static void killer(struct sim *sim)
{
    struct test *t = the_test();
    uint64_t random = ~sim_option(sim, "seed", 1);
    uint64_t kills = sim_option(sim, "kills", 100);
    uint64_t vmbus_kills = sim_option(sim, "vmbus_kills", 25);
    uint64_t max_gap_us = sim_option(sim, "max_gap_us", 20000);

    while ((t->kills < kills || t->vmbus_kills < vmbus_kills) && !vm_has_ended(&sim->super.vm)) {
        bool of_vmbus = sim_random(&random) % (kills + vmbus_kills) < vmbus_kills;

        sim_sleep_ns(sim_random(&random) % (max_gap_us * NS_PER_US));
        if (sim_option(sim, "sham", 0) != 0) {
            t->load.shams++;
            t->kills++;
            continue;
        }
        if (of_vmbus && t->vmbus_kills < vmbus_kills && sim_kill(sim, PROCESS_VMBUS))
            t->vmbus_kills++;
        else if (!of_vmbus && t->kills < kills && sim_kill(sim, PROCESS_STORAGE))
            t->kills++;
    }
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .vcpu = vcpu, .beside = killer};

    return sim_main(&sim, argc, argv);
}
