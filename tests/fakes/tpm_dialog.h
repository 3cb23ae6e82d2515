/*
 * tests/fakes/tpm_dialog.h - a guest's talk with the fake vtpm, for tests that are one program each:
 * one vtpm, f, with setup() and teardown() as the fixture.
 */
#pragma once

#include <check.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fakes/tpm_commands.h"
#include "tests/fakes/vtpm.h"

/* glibc's dprintf() to a descriptor that is closed loses its buffer; the worker's filter sees to
 * it that lseek() fails in another way, and nothing is lost there. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:_IO_file_doallocate";
}

static struct fake_vtpm f;
static uint8_t rsp[CRB_BUFFER_BYTES];

static inline void setup(void)
{
    fake_vtpm_init(&f);
}

static inline void teardown(void)
{
    fake_vtpm_free(&f);
}

/* --- what tests say --- */

static inline uint32_t send_cut(struct tpm_bytes c, enum fake_cut cut)
{
    return fake_command(&f, c.at, c.len, cut, rsp);
}

static inline uint32_t send(struct tpm_bytes c)
{
    return send_cut(c, CUT_NONE);
}

static inline void send_ok(struct tpm_bytes c)
{
    ck_assert_uint_eq(send(c), 0);
}

static inline uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t be64(const uint8_t *p)
{
    return (uint64_t)be32(p) << 32 | be32(p + 4);
}

static inline uint64_t row(const char *name)
{
    for (unsigned i = 0; i < f.worker.board.n_rows; i++) {
        if (strcmp(f.board->rows[i].name, name) == 0)
            return atomic_load(&f.board->rows[i].value);
    }
    ck_abort_msg("no row %s", name);
}

static inline void read_pcr(unsigned pcr, uint8_t out[32])
{
    send_ok(tpm_pcr_read(pcr));
    ck_assert_uint_eq(fake_response_len(&f), 62);
    memcpy(out, rsp + 30, 32);
}

static inline uint64_t read_nv(uint32_t index)
{
    send_ok(tpm_nv_read(index));
    return be64(rsp + 16);
}

/* What a PCR is after one more extend. */
static inline void model_extend(uint8_t pcr[32], const uint8_t digest[32])
{
    uint8_t both[64];

    memcpy(both, pcr, 32);
    memcpy(both + 32, digest, 32);
    (void)SHA256(both, sizeof(both), pcr);
}
