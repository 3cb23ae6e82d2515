/*
 * tests/fault/dying_vtpm.c - the vtpm worker, which dies of GetRandom in the way that the number of bytes says.
 *
 * Everything else is the real worker, by the linker's --wrap of tpm_execute().
 */
#include "tests/fault/dying_vtpm.h"

#include <unistd.h>

#include "base/filters.h"
#include "base/rd.h"
#include "workers/vtpm/vtpm.h"

enum {
    CC_GET_RANDOM = 0x17b,
};

int __real_tpm_execute(struct tpm *t, uint8_t locality, uint8_t *command, size_t len);
int __wrap_tpm_execute(struct tpm *t, uint8_t locality, uint8_t *command, size_t len);

/* Not static: what addr2line says of the place in the program is one of these names. */
void die_by_segv(void);
void die_by_ill(void);
void die_by_fpe(void);
void die_by_call(void);
void die_by_hang(void);

__attribute__((noinline)) void die_by_segv(void)
{
    volatile int *nowhere = NULL;

    *nowhere = 1;
}

__attribute__((noinline)) void die_by_ill(void)
{
    __asm__ volatile("ud2");
}

__attribute__((noinline)) void die_by_fpe(void)
{
    __asm__ volatile("xor %%ecx, %%ecx; div %%ecx" : : : "eax", "ecx", "edx");
}

__attribute__((noinline)) void die_by_call(void)
{
    (void)getppid();
}

__attribute__((noinline)) void die_by_hang(void)
{
    for (;;)
        __builtin_ia32_pause();
}

static unsigned random_bytes(const uint8_t *command, size_t len)
{
    struct rd r = rd_over(command, len);
    uint32_t code;

    (void)rd_be16(&r);
    (void)rd_be32(&r);
    code = rd_be32(&r);
    return code == CC_GET_RANDOM ? rd_be16(&r) : 0;
}

int __wrap_tpm_execute(struct tpm *t, uint8_t locality, uint8_t *command, size_t len)
{
    static void (*const ways[])(void) = {die_by_segv, die_by_ill, die_by_fpe, die_by_call,
                                         die_by_hang};
    unsigned way = random_bytes(command, len) - DYING_FIRST_BYTES;

    if (way < COUNT_OF(ways))
        ways[way]();
    return __real_tpm_execute(t, locality, command, len);
}

static const struct worker_ops ops = {
    .process = PROCESS_VTPM,
    .filter = &vtpm_filter,
    .schema = VTPM_SCHEMA,
    .schema_min = VTPM_SCHEMA,
    .state_max = VTPM_STATE_MAX,
    .setup = vtpm_setup,
    .load = vtpm_load,
    .access = vtpm_access,
    .save = vtpm_save,
    .log = vtpm_log,
    .released = vtpm_released,
};

int main(int argc, char **argv)
{
    static struct vtpm v;

    return worker_main(&ops, &v, argc, argv);
}
