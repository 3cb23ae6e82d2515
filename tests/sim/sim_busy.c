/*
 * tests/sim/sim_busy.c - a guest that uses all its devices a little, and leaves room for others: for what operators see.
 *
 * Arguments: ms=N. It has a disk and a NIC whose peer echoes. Says "busy" when all are in use, and ends N milliseconds
 * later. What it reads, receives and is told must be right, whoever kills workers meanwhile.
 */
#include "base/clock.h"
#include "tests/sim/disk_load.h"
#include "tests/sim/net_load.h"
#include "tests/sim/tpm_client.h"
#include "tests/sim/tpm_commands.h"

enum {
    RING_PAGES = 17,
    QD = 4,
    SECTORS = 64,
    PAUSE_MS = 2,
};

struct busy {
    struct sim *sim;
    struct vmbus_guest vmbus;
    struct scsi_guest scsi;
    struct disk_model model;
    struct disk_load disk;
    struct net_guest net;
    struct net_load frames;
    struct tpm_client tpm;
};

/* More than a stack should hold. */
static struct busy *the_guest(void)
{
    static struct busy busy;

    return &busy;
}

static bool begin_disk(struct busy *b)
{
    uint64_t bytes;

    if (!scsi_connect(&b->scsi, &b->vmbus, 0, 1, RING_PAGES))
        return false;
    bytes = scsi_capacity(&b->scsi, 0, 0);
    if (bytes == 0 || bytes / MODEL_SECTOR > MODEL_SECTORS_MAX) {
        vmbus_fail(&b->vmbus, "a disk of %llu bytes", (unsigned long long)bytes);
        return false;
    }
    model_init(&b->model, (uint32_t)(bytes / MODEL_SECTOR), 1);
    load_init(&b->disk, &b->scsi, &b->model, 0, 1);
    b->disk.qd = QD;
    b->disk.max_sectors = SECTORS;
    return true;
}

static bool begin_net(struct busy *b)
{
    static const struct net_guest_way way = {.version = 0x60001,
                                             .channels = 2,
                                             .ring_pages = RING_PAGES,
                                             .receive_pages = 256,
                                             .send_pages = 64};

    net_guest_init(&b->net, &b->vmbus, 0);
    net_load_init(&b->frames, &b->net, 1);
    return net_connect(&b->net, &way) && net_load_begin(&b->frames);
}

static bool ask_tpm(struct busy *b)
{
    uint8_t command[TPM_CLIENT_BYTES], response[TPM_CLIENT_BYTES];
    size_t len;

    if (tpm_client_call(&b->tpm, command, tpm_cmd_get_random(command, 16), response, &len) == 0 &&
        tpm_client_rc(response, len) == 0)
        return true;
    vmbus_fail(&b->vmbus, "the TPM does not answer");
    return false;
}

static bool begin(struct busy *b)
{
    vmbus_start(&b->vmbus, b->sim, 1);
    if (tpm_client_open(&b->tpm, b->sim, 0) < 0) {
        vmbus_fail(&b->vmbus, "the TPM has no locality 0");
        return false;
    }
    return vmbus_connect(&b->vmbus, 0x50003) && begin_disk(b) && begin_net(b) && ask_tpm(b);
}

static void guest(struct sim *sim)
{
    struct busy *b = the_guest();
    uint64_t end;

    b->sim = sim;
    if (!begin(b))
        return;
    sim_print(sim, 0, "busy\n");
    end = clock_now_ns() + sim_option(sim, "ms", 1000) * NS_PER_MS;
    while (clock_now_ns() < end && !b->vmbus.failed) {
        load_step_alone(&b->disk, 0);
        net_load_step_alone(&b->frames, 0);
        if (!ask_tpm(b))
            return;
        sim_sleep_ns(PAUSE_MS * NS_PER_MS);
    }
    if (!load_drain(&b->disk, 0))
        return;
    sim->finished = true;
    sim_pass(sim);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest};

    return sim_main(&sim, argc, argv);
}
