#include "workers/debug/registers.h"

#include <inttypes.h>
#include <stdio.h>

size_t registers_text(unsigned vcpu, const struct guest_regs *regs, char ret[REGISTERS_TEXT_MAX])
{
    size_t len = (size_t)snprintf(ret, REGISTERS_TEXT_MAX, "{\"vcpu\":%u", vcpu);

    /* As text: what reads JSON knows numbers up to 2^53 only. */
    for (unsigned i = 0; i < GUEST_REGS; i++)
        len += (size_t)snprintf(ret + len, REGISTERS_TEXT_MAX - len, ",\"%s\":\"0x%" PRIx64 "\"",
                                guest_reg_name((enum guest_reg)i), regs->v[i]);
    len += (size_t)snprintf(ret + len, REGISTERS_TEXT_MAX - len, "}");
    return len;
}
_Static_assert(GUEST_REGS *(sizeof(",\"fs_base\":\"0x0123456789abcdef\"") - 1) +
                       sizeof("{\"vcpu\":63}") <=
                   REGISTERS_TEXT_MAX,
               "the longest fits");
