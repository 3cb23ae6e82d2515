/*
 * tests/bench/sim_disk_bench.c - the same load through the whole real path of a disk, without a vCPU: a
 * guest's rings, the storage worker in its jail with its log, its io_uring.
 *
 * Arguments: as of disk_series_parse(). The guest is one thread; its interrupt is the eventfd that KVM
 * would turn into one, and its doorbell the write that KVM would make.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/bench/disk_series.h"
#include "tests/sim/scsi_guest.h"

enum {
    RING_PAGES = 17,
    VP = 0,
    READ_10 = 0x28,
    WRITE_10 = 0x2a,
};

struct bench {
    struct sim *sim;
    struct vmbus_guest vmbus;
    struct scsi_guest scsi;
    struct scsi_rq *slots[DISK_SERIES_DEPTH_MAX];
    unsigned ended[DISK_SERIES_DEPTH_MAX];
    unsigned n_ended;
    uint32_t bytes;
    int error;
};

static void on_done(struct scsi_guest *s, struct scsi_rq *rq)
{
    struct bench *b = s->self;

    if (!scsi_is_good(rq))
        b->error = -EIO;
    b->ended[b->n_ended++] = rq->what;
}

static int begin(void *self, unsigned slot, bool write, uint64_t offset)
{
    struct bench *b = self;
    struct scsi_rq *rq = b->slots[slot];
    uint32_t lba = (uint32_t)(offset / SCSI_BLOCK), blocks = b->bytes / SCSI_BLOCK;
    const uint8_t cdb[10] = {write ? WRITE_10 : READ_10,
                             0,
                             (uint8_t)(lba >> 24),
                             (uint8_t)(lba >> 16),
                             (uint8_t)(lba >> 8),
                             (uint8_t)lba,
                             0,
                             (uint8_t)(blocks >> 8),
                             (uint8_t)blocks};

    if (rq == NULL)
        rq = b->slots[slot] = scsi_take(&b->scsi, 0, 0, b->bytes);
    if (rq == NULL)
        return -ENOBUFS;
    scsi_command(rq, 0, cdb, sizeof(cdb), write ? SCSI_TO_DEVICE : SCSI_FROM_DEVICE);
    rq->what = slot;
    rq->done = on_done;
    return scsi_submit(&b->scsi, rq);
}

static int submit(void *self)
{
    (void)self;
    return 0; /* each was shown as it was put in, as Linux does it */
}

static int end(void *self, unsigned slots[DISK_SERIES_DEPTH_MAX])
{
    struct bench *b = self;
    int n;

    while (b->n_ended == 0 && b->error == 0) {
        if (!vmbus_halt(&b->vmbus, VP, SIM_FOR_EVER) && b->vmbus.failed)
            return -EPIPE;
    }
    n = (int)b->n_ended;
    memcpy(slots, b->ended, b->n_ended * sizeof(slots[0]));
    b->n_ended = 0;
    return b->error < 0 ? b->error : n;
}

static void say(void *self, const char *line)
{
    const struct bench *b = self;

    sim_print(b->sim, VP, "%s", line);
}

static void counts(void *self, uint64_t *ret_kicks, uint64_t *ret_interrupts)
{
    const struct bench *b = self;

    *ret_kicks = b->scsi.queues[0].channel.kicks;
    *ret_interrupts = b->vmbus.vps[VP].interrupts;
}

static int run(struct bench *b)
{
    struct disk_series s = {.who = "bulkhead",
                            .begin = begin,
                            .submit = submit,
                            .end = end,
                            .say = say,
                            .counts = counts,
                            .self = b};

    disk_series_parse(&s, b->sim->config.append);
    b->bytes = s.bytes;
    b->sim->halts[VP].most_ns = s.halt_poll_ns;
    b->scsi.self = b;
    vmbus_start(&b->vmbus, b->sim, 1);
    if (!vmbus_connect(&b->vmbus, 0x00050003) ||
        !scsi_connect(&b->scsi, &b->vmbus, 0, 1, RING_PAGES))
        return -EPROTO;
    sim_sleep_ns(300 * NS_PER_MS); /* let the spares be made */
    return disk_series_run(&s);
}

static void guest(struct sim *sim)
{
    static struct bench b; /* more than a stack should hold */
    int r;

    b.sim = sim;
    r = run(&b);
    sim->finished = true;
    if (r < 0)
        sim_fail(sim, "%s", strerror(-r));
    else
        sim_pass(sim);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest};

    return sim_main(&sim, argc, argv);
}
