/*
 * tests/fuzz/fuzz_tpm_command.c - any bytes as TPM commands, with the real libtpms behind the real
 * worker, which dies and is restored at every one of them.
 *
 * Input: records: where the death falls (1 byte), length (2, little-endian), command.
 */
#include <stdlib.h>

#include "base/rd.h"
#include "tests/fakes/tpm_commands.h"
#include "tests/fakes/vtpm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    MAX_STEPS = 16,
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Every input begins with the same new TPM: making one takes longer than all the rest. */
static void begin(struct fake_vtpm *f)
{
    static struct fake_memory fresh;

    if (fresh.region == NULL) {
        struct tpm_bytes c = tpm_get_random(8);

        fake_vtpm_init(f);
        must(fake_command(f, c.at, c.len, CUT_NONE, NULL) == 0); /* a commit to start from */
        fresh = fake_memory_new();
        fake_memory_copy(&fresh, &f->memory);
        return;
    }
    memset(f, 0, sizeof(*f));
    f->memory = fake_memory_new();
    fake_memory_copy(&f->memory, &fresh);
    f->board = (struct board_page *)(void *)fake_zeroed(BOARD_BYTES);
    f->seq = 1000;
    fake_vtpm_start(f);
}

static void check_response(const uint8_t *rsp, uint32_t len)
{
    uint32_t tag = be32(rsp) >> 16;

    must(len >= COMMAND_HEADER_BYTES && len <= COMMAND_BYTES_MAX);
    must(tag == COMMAND_NO_SESSIONS || tag == COMMAND_SESSIONS || tag == COMMAND_BAD_TAG_RESPONSE);
    must(be32(rsp + 2) == len);
}

/* Long commands are cancelled: a fuzzer has no time for prime numbers. */
static void step(struct fake_vtpm *f, struct span command, enum fake_cut cut)
{
    static uint8_t rsp[CRB_BUFFER_BYTES];

    fake_begin(f, command.at, command.len, cut);
    fake_write(f, CRB_CTRL_CANCEL, 1, CUT_NONE);
    fake_wait(f);
    check_response(rsp, fake_end(f, rsp));
}

/* The TPM still works, and is still the same. */
static void check_alive(struct fake_vtpm *f)
{
    uint8_t before[CRB_BUFFER_BYTES], after[CRB_BUFFER_BYTES];
    struct tpm_bytes c = tpm_pcr_read(TPM_TEST_PCR);

    must(fake_command(f, c.at, c.len, CUT_NONE, before) == 0);
    fake_vtpm_restart(f);
    must(fake_command(f, c.at, c.len, CUT_NONE, after) == 0);
    must(memcmp(before, after, fake_response_len(f)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fake_vtpm f;
    struct rd r = rd_over(data, size);

    begin(&f);
    for (int i = 0; i < MAX_STEPS && r.left != 0; i++) {
        enum fake_cut cut = (enum fake_cut)(rd_u8(&r) % 5);
        size_t len = rd_le16(&r);
        struct span command = rd_span(&r, len < r.left ? len : r.left);

        if (!rd_ok(&r) || command.len > CRB_BUFFER_BYTES)
            break;
        step(&f, command, cut);
    }
    check_alive(&f);
    fake_vtpm_free(&f);
    return 0;
}
