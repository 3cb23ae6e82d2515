/*
 * tests/integration/sim_canary.c - a guest whose every byte is a secret: what it writes, sends, and tells its TPM.
 *
 * Arguments: rounds=N. It has a disk and a NIC. A round is a write and a read of the disk, a frame, three TPM commands: data
 * to stir random numbers, data to hash, a password that is wrong. Says "canary" when all are in use. Whoever kills workers
 * meanwhile is not noticed.
 */
#include <string.h>

#include "base/clock.h"
#include "base/wr.h"
#include "tests/integration/canary.h"
#include "tests/sim/net_guest.h"
#include "tests/sim/scsi_guest.h"
#include "tests/sim/tpm_client.h"

enum {
    RING_PAGES = 17,
    BLOCKS = 8,
    FRAME_BYTES = 1514,
    SCSI_WRITE_16 = 0x8a,
    SCSI_READ_16 = 0x88,
    ST_NO_SESSIONS = 0x8001,
    ST_SESSIONS = 0x8002,
    ALG_SHA256 = 0x000b,
    CC_STIR_RANDOM = 0x146,
    CC_HASH = 0x17d,
    CC_PCR_EXTEND = 0x182,
    DIGEST_BYTES = 32,
};

static const uint32_t RH_NULL = 0x40000007;
static const uint32_t RS_PW = 0x40000009;

struct canaries {
    struct sim *sim;
    struct vmbus_guest vmbus;
    struct scsi_guest scsi;
    struct net_guest net;
    struct tpm_client tpm;
    uint8_t block[BLOCKS * SCSI_BLOCK];
};

/* More than a stack should hold. */
static struct canaries *the_guest(void)
{
    static struct canaries c;

    return &c;
}

static bool fail(struct canaries *c, const char *what)
{
    vmbus_fail(&c->vmbus, "%s", what);
    return false;
}

/* --- the disk --- */

static bool run(struct canaries *c, uint8_t opcode, uint64_t lba, enum scsi_data direction)
{
    struct scsi_rq *rq = scsi_take(&c->scsi, 0, 0, sizeof(c->block));
    uint8_t cdb[16];
    bool good;

    if (rq == NULL)
        return fail(c, "no tag is free");
    scsi_cdb16(cdb, opcode, lba, BLOCKS);
    scsi_command(rq, 0, cdb, sizeof(cdb), direction);
    scsi_set_data(&c->scsi, rq, 0, c->block, sizeof(c->block));
    good = scsi_run(&c->scsi, rq, 0) && scsi_is_good(rq);
    scsi_put(&c->scsi, rq);
    return good || fail(c, "the disk refuses");
}

static bool use_disk(struct canaries *c, uint64_t round)
{
    uint64_t lba = round % 1024 * BLOCKS;

    return run(c, SCSI_WRITE_16, lba, SCSI_TO_DEVICE) &&
           run(c, SCSI_READ_16, lba, SCSI_FROM_DEVICE);
}

/* --- the NIC --- */

/* What there is no room for is not sent: nobody waits for it. */
static bool use_net(struct canaries *c)
{
    static const uint8_t head[14] = {2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
    uint8_t frame[FRAME_BYTES];

    memcpy(frame, head, sizeof(head));
    for (size_t at = sizeof(head); at + CANARY_BYTES <= sizeof(frame); at += CANARY_BYTES)
        memcpy(frame + at, canary, CANARY_BYTES);
    (void)net_send_frame(&c->net, 0, frame, sizeof(frame));
    return !c->vmbus.failed;
}

/* --- the TPM --- */

static struct wr begin_command(uint8_t *to, uint16_t tag, uint32_t code)
{
    struct wr w = wr_over(to, TPM_CLIENT_BYTES);

    wr_be16(&w, tag);
    wr_be32(&w, 0);
    wr_be32(&w, code);
    return w;
}

static bool ask(struct canaries *c, uint8_t *command, struct wr *w)
{
    uint8_t response[TPM_CLIENT_BYTES];
    struct wr head = wr_over(command + 2, 4);
    size_t len = 0;

    if (wr_finish(w, &len) < 0)
        return fail(c, "a command that is too long");
    wr_be32(&head, (uint32_t)len);
    return tpm_client_call(&c->tpm, command, len, response, &len) == 0 ||
           fail(c, "the TPM does not answer");
}

static bool stir(struct canaries *c)
{
    uint8_t command[TPM_CLIENT_BYTES];
    struct wr w = begin_command(command, ST_NO_SESSIONS, CC_STIR_RANDOM);

    wr_be16(&w, CANARY_BYTES);
    wr_bytes(&w, canary, CANARY_BYTES);
    return ask(c, command, &w);
}

static bool hash(struct canaries *c)
{
    uint8_t command[TPM_CLIENT_BYTES];
    struct wr w = begin_command(command, ST_NO_SESSIONS, CC_HASH);

    wr_be16(&w, CANARY_BYTES);
    wr_bytes(&w, canary, CANARY_BYTES);
    wr_be16(&w, ALG_SHA256);
    wr_be32(&w, RH_NULL);
    return ask(c, command, &w);
}

static bool authorize(struct canaries *c)
{
    static const uint8_t digest[DIGEST_BYTES];
    uint8_t command[TPM_CLIENT_BYTES];
    struct wr w = begin_command(command, ST_SESSIONS, CC_PCR_EXTEND);

    wr_be32(&w, 16);
    wr_be32(&w, 4 + 2 + 1 + 2 + CANARY_BYTES);
    wr_be32(&w, RS_PW);
    wr_be16(&w, 0);
    wr_u8(&w, 0);
    wr_be16(&w, CANARY_BYTES);
    wr_bytes(&w, canary, CANARY_BYTES);
    wr_be32(&w, 1);
    wr_be16(&w, ALG_SHA256);
    wr_bytes(&w, digest, sizeof(digest));
    return ask(c, command, &w);
}

/* --- all of it --- */

static bool begin(struct canaries *c)
{
    static const struct net_guest_way way = {.version = 0x60001,
                                             .channels = 1,
                                             .ring_pages = RING_PAGES,
                                             .receive_pages = 256,
                                             .send_pages = 64};

    for (size_t at = 0; at < sizeof(c->block); at += CANARY_BYTES)
        memcpy(c->block + at, canary, CANARY_BYTES);
    vmbus_start(&c->vmbus, c->sim, 1);
    if (tpm_client_open(&c->tpm, c->sim, 0) < 0)
        return fail(c, "the TPM has no locality 0");
    net_guest_init(&c->net, &c->vmbus, 0);
    return vmbus_connect(&c->vmbus, 0x50003) &&
           scsi_connect(&c->scsi, &c->vmbus, 0, 1, RING_PAGES) && net_connect(&c->net, &way);
}

static void guest(struct sim *sim)
{
    struct canaries *c = the_guest();
    uint64_t rounds = sim_option(sim, "rounds", 1000);

    c->sim = sim;
    if (!begin(c))
        return;
    sim_print(sim, 0, "canary\n");
    for (uint64_t i = 0; i < rounds; i++) {
        if (!use_disk(c, i) || !use_net(c) || !stir(c) || !hash(c) || !authorize(c))
            return;
    }
    sim->finished = true;
    sim_pass(sim);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest};

    return sim_main(&sim, argc, argv);
}
