/*
 * tests/fuzz/fuzz_storvsp.c - packets of a guest to a controller, and what is kept of it.
 *
 * Input: 16 bytes that are loaded as a controller's state, then packets: a byte that says how long, and so many.
 *
 * Promises: a packet that is understood has a CDB of 16 bytes at most, zeros after its end; an answer is a
 * completion that begins as the request; whoever answers twice changes nothing the second time; what is kept
 * can be loaded.
 */
#include <stdlib.h>
#include <string.h>

#include "workers/storage/storvsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STATE_BYTES = 16,
    PACKETS = 64,
    SUBCHANNELS = 7,
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_answer(const uint8_t *packet, uint32_t len, const uint8_t *out)
{
    uint32_t op;

    memcpy(&op, out, sizeof(op));
    must(op == STORVSP_COMPLETE);
    if (len > 60)
        must(memcmp(packet + 60, out + 60, len - 60) == 0);
    for (uint32_t i = len < 48 ? 48 : len; i < STORVSP_PACKET_BYTES; i++)
        must(out[i] == 0);
}

static void save(const struct controller *c, uint8_t bytes[STATE_BYTES])
{
    struct wr w = wr_over(bytes, STATE_BYTES);
    size_t len = 0;

    controller_save(c, &w);
    must(wr_finish(&w, &len) == 0 && len == STATE_BYTES);
}

static void execute(struct controller *c, const struct storvsp_packet *p, const uint8_t *packet,
                    uint32_t len)
{
    uint8_t out[STORVSP_PACKET_BYTES], again[STORVSP_PACKET_BYTES], bytes[STATE_BYTES];
    struct controller before = *c;
    struct controller loaded;
    struct rd r = rd_over(bytes, sizeof(bytes));
    bool changed = controller_execute(c, p, packet, len, SUBCHANNELS, out);

    check_answer(packet, len, out);
    must(changed == (memcmp(&before, c, sizeof(before)) != 0));
    must(c->phase < CONTROLLER_PHASES && c->subchannels <= SUBCHANNELS &&
         c->opening == before.opening);
    save(c, bytes);
    must(controller_load(&loaded, &r) == 0 && memcmp(&loaded, c, sizeof(loaded)) == 0);
    before = *c;
    must(!controller_execute(c, p, packet, len, SUBCHANNELS, again));
    must(memcmp(&before, c, sizeof(before)) == 0);
    if (changed)
        must(memcmp(out, again, sizeof(out)) == 0);
}

static void take(struct controller *c, const uint8_t *packet, uint32_t len)
{
    const struct storvsp_result result = {
        .srb_status = 0x84, .sense_len = packet[0], .data_len = 5};
    uint8_t out[STORVSP_PACKET_BYTES];
    struct storvsp_packet p;

    storvsp_answer_srb(packet, len, &result, out);
    check_answer(packet, len, out);
    if (storvsp_parse(packet, len, &p) < 0)
        return;
    must(len >= STORVSP_OLD_PACKET_BYTES && p.cdb_len <= SCSI_CDB_BYTES && p.data_in <= 2);
    for (unsigned i = p.cdb_len; i < SCSI_CDB_BYTES; i++)
        must(p.cdb[i] == 0);
    if (p.op != STORVSP_EXECUTE_SRB)
        execute(c, &p, packet, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_over(data, size);
    struct controller c = {0};

    if (size < STATE_BYTES)
        return 0;
    (void)!controller_load(&c, &r);
    for (unsigned left = PACKETS; left > 0 && r.left > 0; left--) {
        size_t len = rd_u8(&r) % (STORVSP_PACKET_BYTES + 1u);
        struct span s = rd_span(&r, len < r.left ? len : r.left);
        uint8_t *packet =
            malloc(s.len + 1); /* as long as it is, and not a byte longer but for malloc(0) */

        must(packet != NULL);
        packet[0] = 0;
        memcpy(packet, s.at, s.len);
        take(&c, packet, (uint32_t)s.len);
        free(packet);
    }
    return 0;
}
