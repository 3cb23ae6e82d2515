/*
 * tests/fuzz/fuzz_scsi_state.c - any bytes as the saved state of a unit: what is taken is what is
 * saved again, and commands find nothing in it that cannot be.
 */
#include <stdlib.h>
#include <string.h>

#include "workers/storage/scsi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void save(const struct scsi_state *s, uint8_t bytes[SCSI_STATE_BYTES])
{
    struct wr w = wr_over(bytes, SCSI_STATE_BYTES);
    size_t len = 0;

    scsi_state_save(s, &w);
    must(wr_finish(&w, &len) == 0 && len == SCSI_STATE_BYTES);
}

static void must_load(const struct scsi_state *s)
{
    uint8_t bytes[SCSI_STATE_BYTES];
    struct rd r = rd_over(bytes, sizeof(bytes));
    struct scsi_state back;

    save(s, bytes);
    must(scsi_state_load(&r, &back) == 0);
}

static void ask(struct scsi_lun *lun, uint64_t who, uint8_t opcode, uint8_t action)
{
    static struct scsi_io io;
    static struct scsi_answer a;
    uint8_t list[24] = {0};
    struct scsi_command c = {
        .cdb = {opcode, action, 1, 0, 0, 0, 0, 255, sizeof(list)},
        .cdb_len = 10,
        .direction = opcode == 0x5f ? SCSI_DATA_OUT : SCSI_DATA_IN,
        .data_len = opcode == 0x5f ? sizeof(list) : 512,
        .initiator = who,
    };

    if (opcode == 0x5f) { /* with the right key, and its own or the first one's as the other */
        const struct scsi_registrant *r = lun->state.registrants;

        c.cdb[7] = 0;
        for (size_t i = 0; i < SCSI_REGISTRANTS_MAX; i++) {
            for (unsigned k = 0; k < 8 && r[i].initiator == who; k++) {
                list[k] = (uint8_t)(r[i].key >> (56 - 8 * k));
                list[8 + k] = (uint8_t)(r[0].key >> (56 - 8 * k));
            }
        }
        c.out = list;
        c.out_len = sizeof(list);
    }
    scsi_execute(lun, &c, &io, &a);
    must_load(&lun->state);
}

static void use(const struct scsi_state *s)
{
    static const uint8_t opcodes[] = {0x00, 0x5e, 0x5e, 0x5e, 0x5e, 0x5f, 0x5f, 0x5f, 0x5f, 0x5f};
    static const uint8_t actions[] = {0, 0, 1, 2, 3, 1, 2, 4, 0, 3};
    struct scsi_lun lun = {.state = *s};

    lun.config.kind = DISK_DISK;
    lun.config.bytes = 1 << 20;
    lun.config.block_bytes = 512;
    lun.config.physical_bytes = 512;
    lun.config.max_bytes = 65536;
    for (size_t who = 0; who < SCSI_REGISTRANTS_MAX; who++) {
        uint64_t initiator = s->registrants[who].initiator;

        for (size_t i = 0; i < COUNT_OF(opcodes); i++)
            ask(&lun, initiator != 0 ? initiator : who + 1, opcodes[i], actions[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_over(data, size);
    struct scsi_state s = {.pr_generation = 77};
    uint8_t again[SCSI_STATE_BYTES];

    if (scsi_state_load(&r, &s) < 0) {
        must(s.pr_generation == 77);
        return 0;
    }
    save(&s, again);
    must(memcmp(data, again, sizeof(again)) == 0);
    use(&s);
    return 0;
}
