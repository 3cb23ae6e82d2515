/*
 * tests/attack/filters.c - do the compiled filters decide as their profiles say?
 *
 * libseccomp has compiled wrong filters before (facts/security.md, finding 7). So each program is
 * run in an interpreter of our own, over every call number and the values around each one that a
 * rule names, and its decision is compared with a direct reading of the profile. Each instruction
 * must have been run by some decision. Prints how many calls each process is allowed.
 */
#include "base/filters.h"

#include <inttypes.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "ipc/manifest.h"

extern const struct sbx_profile sbx_profile_supervisor, sbx_profile_chipset, sbx_profile_vtpm,
    sbx_profile_vmbus, sbx_profile_storage, sbx_profile_storage_plain, sbx_profile_net,
    sbx_profile_diag, sbx_profile_diag_remote, sbx_profile_debug;

enum {
    MAX_INSNS = 4096,
    MAX_CALL = 1024,
    MAX_RULES = 256,
    MAX_VALUES = 512,
    ARGS = 6,
    MAX_SHOWN = 5, /* differences of one program that are printed */
    X32_BIT = 0x40000000,
};

struct subject {
    const struct sbx_profile *profile;
    const struct sbx_program *program;
    bool start;
    bool ran[MAX_INSNS];
    int numbers[MAX_RULES]; /* of the rules' calls */
    uint64_t decisions, differences;
};

/* --- an interpreter of classic BPF, as seccomp has it --- */

static uint32_t load(const struct seccomp_data *d, uint32_t offset)
{
    uint32_t word;

    if (offset > sizeof(*d) - sizeof(word) || offset % sizeof(word) != 0)
        abort();
    memcpy(&word, (const char *)d + offset, sizeof(word));
    return word;
}

static bool jump(const struct sock_filter *in, uint32_t a)
{
    switch (BPF_OP(in->code)) {
    case BPF_JEQ:
        return a == in->k;
    case BPF_JGT:
        return a > in->k;
    case BPF_JGE:
        return a >= in->k;
    case BPF_JSET:
        return (a & in->k) != 0;
    default:
        abort();
    }
}

static uint32_t run(struct subject *s, const struct seccomp_data *d)
{
    uint32_t a = 0;

    for (uint32_t pc = 0; pc < s->program->n_insns; pc++) {
        const struct sock_filter *in = &s->program->insns[pc];

        s->ran[pc] = true;
        if (in->code == (BPF_LD | BPF_W | BPF_ABS))
            a = load(d, in->k);
        else if (in->code == (BPF_ALU | BPF_AND | BPF_K))
            a &= in->k;
        else if (in->code == (BPF_JMP | BPF_JA))
            pc += in->k;
        else if (in->code == (BPF_RET | BPF_K))
            return in->k;
        else if (BPF_CLASS(in->code) == BPF_JMP && BPF_SRC(in->code) == BPF_K)
            pc += jump(in, a) ? in->jt : in->jf;
        else
            abort();
    }
    abort(); /* the kernel would not have taken it */
}

/* --- the profile, read directly --- */

static bool matches(const struct sbx_rule *r, const struct seccomp_data *d)
{
    uint64_t arg = d->args[r->arg];

    switch (r->test) {
    case SBX_ANY:
    case SBX_ERRNO:
        return true;
    case SBX_ARG_EQ:
        return arg == r->value;
    case SBX_ARG32_EQ:
        return (uint32_t)arg == (uint32_t)r->value;
    case SBX_ARG_MASKED:
        return (arg & ~r->value) == 0;
    }
    return false;
}

static bool in_phase(const struct subject *s, const struct sbx_rule *r)
{
    return s->start || r->phase == SBX_RUN;
}

/* A row that allows outranks one that answers an error: it may be there for the start only. */
static uint32_t decide(const struct subject *s, const struct seccomp_data *d)
{
    uint32_t answer = SECCOMP_RET_KILL_PROCESS;

    if (d->arch != AUDIT_ARCH_X86_64)
        return answer;
    for (size_t i = 0; i < s->profile->n_rules; i++) {
        const struct sbx_rule *r = &s->profile->rules[i];

        if (!in_phase(s, r) || s->numbers[i] != d->nr || !matches(r, d))
            continue;
        if (r->test != SBX_ERRNO)
            return SECCOMP_RET_ALLOW;
        answer = SECCOMP_RET_ERRNO | (uint32_t)r->value;
    }
    return answer;
}

/* --- both on everything --- */

static void compare(struct subject *s, const struct seccomp_data *d)
{
    uint32_t want = decide(s, d);
    uint32_t is = run(s, d);

    s->decisions++;
    if (is == want)
        return;
    if (s->differences++ >= MAX_SHOWN)
        return;
    printf("  %s: call %d of architecture %x (%" PRIx64 ", %" PRIx64 ", %" PRIx64 ", %" PRIx64
           "): is %x, not %x\n",
           s->profile->name, d->nr, d->arch, (uint64_t)d->args[0], (uint64_t)d->args[1],
           (uint64_t)d->args[2], (uint64_t)d->args[3], is, want);
}

static size_t values_around(uint64_t v, uint64_t out[MAX_VALUES], size_t n)
{
    const uint64_t around[] = {
        v, v - 1, v + 1, ~v, (uint32_t)v, v | UINT64_C(1) << 32, v | ~UINT64_C(0xffffffff)};

    for (size_t i = 0; i < COUNT_OF(around) && n < MAX_VALUES; i++)
        out[n++] = around[i];
    for (unsigned bit = 0; bit < 64 && n < MAX_VALUES; bit++)
        out[n++] = v ^ UINT64_C(1) << bit;
    return n;
}

/* All that any rule of the call names for one argument, and its surroundings. */
static size_t values_for(const struct subject *s, int call, unsigned arg, uint64_t out[MAX_VALUES])
{
    size_t n = values_around(0, out, 0);

    for (size_t i = 0; i < s->profile->n_rules; i++) {
        const struct sbx_rule *r = &s->profile->rules[i];

        if (s->numbers[i] == call && r->arg == arg && r->test != SBX_ANY)
            n = values_around(r->value, out, n);
    }
    return n;
}

static void compare_call(struct subject *s, int call)
{
    uint64_t values[MAX_VALUES];
    struct seccomp_data d = {.nr = call, .arch = AUDIT_ARCH_X86_64};

    for (unsigned arg = 0; arg < ARGS; arg++) {
        size_t n = values_for(s, call, arg, values);

        memset(d.args, 0, sizeof(d.args));
        for (size_t i = 0; i < n; i++) {
            d.args[arg] = values[i];
            compare(s, &d);
        }
    }
}

static void compare_other_tables(struct subject *s)
{
    static const uint32_t others[] = {AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, 0, UINT32_MAX};

    for (int call = 0; call < MAX_CALL; call++) {
        struct seccomp_data d = {.nr = call | X32_BIT, .arch = AUDIT_ARCH_X86_64};

        compare(s, &d);
        d.nr = call;
        for (size_t i = 0; i < COUNT_OF(others); i++) {
            d.arch = others[i];
            compare(s, &d);
        }
    }
    compare(s, &(struct seccomp_data){.nr = -1, .arch = AUDIT_ARCH_X86_64});
    compare(s, &(struct seccomp_data){.nr = INT32_MAX, .arch = AUDIT_ARCH_X86_64});
    compare(s, &(struct seccomp_data){.nr = INT32_MIN, .arch = AUDIT_ARCH_X86_64});
}

static bool any_before(const struct subject *s, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        const struct sbx_rule *r = &s->profile->rules[k];

        if (in_phase(s, r) && r->test != SBX_ERRNO &&
            strcmp(r->call, s->profile->rules[i].call) == 0)
            return true;
    }
    return false;
}

static unsigned count_allowed(const struct subject *s, bool print)
{
    unsigned n = 0;

    for (size_t i = 0; i < s->profile->n_rules; i++) {
        const struct sbx_rule *r = &s->profile->rules[i];

        if (!in_phase(s, r) || r->test == SBX_ERRNO || any_before(s, i))
            continue;
        if (print)
            printf(" %s", r->call);
        n++;
    }
    return n;
}

static bool check(const struct sbx_profile *profile, const struct sbx_program *program, bool start)
{
    struct subject s = {.profile = profile, .program = program, .start = start};
    unsigned n_ran = 0;

    if (program->n_insns > MAX_INSNS || profile->n_rules > MAX_RULES)
        abort();
    for (size_t i = 0; i < profile->n_rules; i++)
        s.numbers[i] = seccomp_syscall_resolve_name(profile->rules[i].call);
    for (int call = 0; call < MAX_CALL; call++)
        compare_call(&s, call);
    compare_other_tables(&s);
    for (unsigned i = 0; i < program->n_insns; i++)
        n_ran += s.ran[i] ? 1 : 0;
    printf("%-13s %-5s %2u calls allowed, %3u instructions, %3u of them run by %" PRIu64
           " decisions, %" PRIu64 " differences\n",
           profile->name, start ? "start" : "run", count_allowed(&s, false), program->n_insns,
           n_ran, s.decisions, s.differences);
    if (!start) {
        printf("          ");
        (void)count_allowed(&s, true);
        printf("\n");
    }
    return s.differences == 0 && n_ran == program->n_insns;
}

int main(void)
{
    static const struct {
        const struct sbx_profile *profile;
        const struct sbx_filter *filter;
    } kinds[] = {
        {&sbx_profile_supervisor,    &supervisor_filter   },
        {&sbx_profile_chipset,       &chipset_filter      },
        {&sbx_profile_vtpm,          &vtpm_filter         },
        {&sbx_profile_vmbus,         &vmbus_filter        },
        {&sbx_profile_storage,       &storage_filter      },
        {&sbx_profile_storage_plain, &storage_plain_filter},
        {&sbx_profile_net,           &net_filter          },
        {&sbx_profile_diag,          &diag_filter         },
        {&sbx_profile_diag_remote,   &diag_remote_filter  },
        {&sbx_profile_debug,         &debug_filter        },
    };
    bool ok = true;

    _Static_assert(COUNT_OF(kinds) == PROCESS_COUNT + 1,
                   "every process but init, storage without a ring, diag with a network");
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        ok = check(kinds[i].profile, &kinds[i].filter->start, true) && ok;
        ok = check(kinds[i].profile, &kinds[i].filter->run, false) && ok;
    }
    return ok ? 0 : 1;
}
