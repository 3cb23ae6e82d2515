/*
 * tests/unit/scsi_ask.h - one unit, and a guest that asks it something.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "workers/storage/scsi.h"

enum {
    ASK_GUEST = 7, /* the initiator, unless a test says another */
    ASK_ROOM = 8192,
    ASK_MEDIUM = 64 << 20,
};

struct ask {
    struct scsi_lun lun;
    struct scsi_io io;
    struct scsi_answer answer;
    uint64_t initiator;
    uint32_t room;                 /* of data in */
    const uint8_t *cdb;            /* of the last question */
    uint8_t out[SCSI_OUT_MAX + 1]; /* of data out */
};

static inline void ask_disk(struct ask *a)
{
    *a = (struct ask){.initiator = ASK_GUEST, .room = ASK_ROOM};
    a->lun.config = (struct scsi_config){
        .kind = DISK_DISK,
        .bytes = ASK_MEDIUM,
        .block_bytes = 512,
        .physical_bytes = 4096,
        .discard_bytes = 4096,
        .max_bytes = 1 << 20,
        .serial = "BULK-1",
        .identity = {0x12, 0x34, 0x56, 0x78, 0x9a}
    };
}

static inline void ask_dvd(struct ask *a)
{
    ask_disk(a);
    a->lun.config.kind = DISK_DVD;
    a->lun.config.block_bytes = 2048;
    a->lun.config.physical_bytes = 2048;
    a->lun.config.discard_bytes = 0;
    a->lun.config.read_only = true;
}

/* How long the CDB is, from its opcode. */
static inline uint8_t ask_cdb_len(uint8_t opcode)
{
    static const uint8_t bytes[] = {6, 10, 10, 16, 16, 12, 16, 16};

    return bytes[opcode >> 5];
}

static inline void ask_as(struct ask *a, enum scsi_direction direction, uint32_t data_len,
                          const uint8_t cdb[SCSI_CDB_BYTES])
{
    struct scsi_command c = {.cdb_len = ask_cdb_len(cdb[0]),
                             .direction = direction,
                             .data_len = data_len,
                             .initiator = a->initiator};

    memcpy(c.cdb, cdb, sizeof(c.cdb));
    if (direction == SCSI_DATA_OUT) {
        c.out = a->out;
        c.out_len = data_len < SCSI_OUT_MAX ? data_len : SCSI_OUT_MAX;
    }
    memset(&a->answer, 0xee, sizeof(a->answer));
    memset(&a->io, 0xee, sizeof(a->io));
    scsi_execute(&a->lun, &c, &a->io, &a->answer);
}

/* A CDB is written as its bytes; those not written are zeros. */
#define ASK_NONE(a, ...) ask_as(a, SCSI_NO_DATA, 0, (const uint8_t[SCSI_CDB_BYTES]){__VA_ARGS__})
#define ASK_IN(a, ...)                                                                             \
    ask_as(a, SCSI_DATA_IN, (a)->room, (const uint8_t[SCSI_CDB_BYTES]){__VA_ARGS__})
#define ASK_OUT(a, len, ...)                                                                       \
    ask_as(a, SCSI_DATA_OUT, len, (const uint8_t[SCSI_CDB_BYTES]){__VA_ARGS__})

static inline void ask_is_good(const struct ask *a)
{
    ck_assert_int_eq((int)a->answer.status, SCSI_GOOD);
    ck_assert_uint_eq(a->answer.sense_len, 0);
}

static inline void ask_is_conflict(const struct ask *a)
{
    ck_assert_int_eq((int)a->answer.status, SCSI_RESERVATION_CONFLICT);
    ck_assert_uint_eq(a->answer.sense_len, 0);
    ck_assert_int_eq((int)a->io.kind, SCSI_IO_NONE);
}

static inline void ask_sense_is(const struct scsi_answer *answer, unsigned key, unsigned asc,
                                unsigned ascq)
{
    ck_assert_int_eq((int)answer->status, SCSI_CHECK_CONDITION);
    ck_assert_uint_eq(answer->sense_len, SCSI_SENSE_BYTES);
    ck_assert_uint_eq(answer->sense[0], 0x70);
    ck_assert_uint_eq(answer->sense[7], SCSI_SENSE_BYTES - 8);
    ck_assert_uint_eq(answer->sense[2], key);
    ck_assert_uint_eq(answer->sense[12], asc);
    ck_assert_uint_eq(answer->sense[13], ascq);
}

static inline void ask_fails(const struct ask *a, unsigned key, unsigned asc, unsigned ascq)
{
    ask_sense_is(&a->answer, key, asc, ascq);
    ck_assert_int_eq((int)a->io.kind, SCSI_IO_NONE);
    ck_assert_uint_eq(a->io.n_ranges, 0);
}

/* 5/24 or 5/26 (cdb false), and the byte it points to. */
static inline void ask_points_to(const struct ask *a, bool cdb, unsigned byte)
{
    ask_fails(a, 5, cdb ? 0x24 : 0x26, 0);
    ck_assert_uint_eq(a->answer.sense[15] & 0xc0, cdb ? 0xc0 : 0x80);
    ck_assert_uint_eq((unsigned)a->answer.sense[16] << 8 | a->answer.sense[17], byte);
}

static inline void ask_does(const struct ask *a, enum scsi_io_kind kind)
{
    ask_is_good(a);
    ck_assert_int_eq((int)a->io.kind, (int)kind);
}

static inline void ask_moves(const struct ask *a, enum scsi_io_kind kind, uint64_t offset,
                             uint64_t len)
{
    ask_does(a, kind);
    ck_assert_uint_eq(a->io.n_ranges, 1);
    ck_assert_uint_eq(a->io.ranges[0].offset, offset);
    ck_assert_uint_eq(a->io.ranges[0].len, len);
}

static inline uint64_t ask_number(const uint8_t *at, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | at[i];
    return v;
}

/* A number of the answer. */
static inline uint64_t ask_field(const struct ask *a, unsigned at, unsigned bytes)
{
    ck_assert_uint_ge(a->answer.in_len, at + bytes);
    return ask_number(a->answer.in + at, bytes);
}

static inline void ask_put(struct ask *a, unsigned at, unsigned bytes, uint64_t v)
{
    for (unsigned i = bytes; i > 0; i--, v >>= 8)
        a->out[at + i - 1] = (uint8_t)v;
}

static inline int ask_run(Suite *s)
{
    SRunner *r = srunner_create(s);
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
