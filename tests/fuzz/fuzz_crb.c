/*
 * tests/fuzz/fuzz_crb.c - a guest that writes any register of any locality in any order, with a TPM
 * that ends commands when the input says so.
 *
 * Input: records of 4 bytes: what and locality, register, value, width.
 */
#include <stdlib.h>

#include "drivers/crb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    RECORD_BYTES = 4,
    REGISTERS_BYTES = 0x80,
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* What holds in every state. */
static void check(const struct crb *c)
{
    static struct crb_shared shared;
    struct crb back;

    must(crb_unpack(crb_pack(c), &back) == 0);
    must(crb_pack(&back) == crb_pack(c));
    must(c->active < CRB_LOCALITIES - 1); /* the last is for nobody */
    must(c->assigned || c->active == 0);
    must(!c->assigned || (c->requested >> c->active & 1) == 0);
    must(c->assigned || c->requested == 0); /* who waits has it as soon as it is free */
    must(c->state == CRB_RUNNING || c->todo == 0);
    crb_shared_publish(&shared, 1, c);
    for (uint32_t at = 0; at < CRB_BYTES; at += 4) {
        must(atomic_load(&shared.registers[at / 4]) == crb_read(c, at, 4));
        if (at % CRB_PAGE_BYTES == REGISTERS_BYTES)
            at += CRB_PAGE_BYTES - REGISTERS_BYTES - 4;
    }
}

static bool may_start(const struct crb *c)
{
    return c->assigned && (c->state == CRB_READY || c->state == CRB_DONE);
}

static void write_one(struct crb *c, uint32_t offset, unsigned width, uint64_t value)
{
    struct crb before = *c;
    struct crb again;
    unsigned events = crb_write(c, offset, width, value);

    must((events & CRB_CHANGED) != 0 || crb_pack(c) == crb_pack(&before));
    must((events & CRB_STARTED) == 0 || may_start(&before));
    must((events & CRB_STARTED) != 0 || (c->state == CRB_RUNNING) == (before.state == CRB_RUNNING));
    if ((events & CRB_STARTED) != 0)
        return;
    again = *c; /* a successor may be asked the same once more */
    (void)crb_write(&again, offset, width, value);
    must(width == 8 || crb_pack(&again) == crb_pack(c));
}

static void step(struct crb *c, const uint8_t record[RECORD_BYTES])
{
    static const unsigned widths[] = {4, 8, 1, 2};
    uint32_t offset = record[0] % (CRB_LOCALITIES + 1) * (uint32_t)CRB_PAGE_BYTES + record[1];
    unsigned width = widths[record[3] % 4];
    uint64_t value = (uint64_t)record[3] << 30 | record[2];

    if ((record[0] & 0x80) != 0 && c->state == CRB_RUNNING) {
        bool given_up = c->todo != 0;

        must(crb_finish(c) == !given_up);
        must(c->state != CRB_RUNNING);
    } else if ((record[0] & 0x40) != 0) {
        (void)crb_read(c, offset, width);
    } else {
        write_one(c, offset, width, value);
    }
}

static void check_foreign(uint32_t word)
{
    struct crb c;

    if (crb_unpack(word, &c) < 0)
        return;
    must(crb_pack(&c) == word);
    write_one(&c, CRB_CTRL_START, 4, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crb c = {0};

    for (; size >= RECORD_BYTES; data += RECORD_BYTES, size -= RECORD_BYTES) {
        step(&c, data);
        check(&c);
    }
    if (size >= 3) /* a foreign state: whatever is accepted must hold */
        check_foreign((uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16);
    return 0;
}
