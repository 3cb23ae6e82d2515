/*
 * tools/sbx-compile.c - turns one sandbox profile into BPF at build time, with libseccomp.
 *
 * Linked with one profile.c; prints a C source that defines `const struct sbx_filter NAME_filter`.
 * Workers carry the result and never link libseccomp themselves.
 */
#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sandbox.h"

extern const struct sbx_profile sbx_profile_to_compile;

enum {
    MAX_INSNS = 4096,
};

static int add_rule(scmp_filter_ctx ctx, const struct sbx_rule *rule)
{
    int call = seccomp_syscall_resolve_name(rule->call);

    if (call < 0 || rule->reason == NULL || rule->reason[0] == '\0')
        return -EINVAL;
    switch (rule->test) {
    case SBX_ANY:
        return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);
    case SBX_ARG_EQ:
        return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1,
                                SCMP_CMP64(rule->arg, SCMP_CMP_EQ, rule->value));
    case SBX_ARG32_EQ:
        return seccomp_rule_add(
            ctx, SCMP_ACT_ALLOW, call, 1,
            SCMP_CMP64(rule->arg, SCMP_CMP_MASKED_EQ, 0xffffffffu, rule->value & 0xffffffffu));
    case SBX_ARG_MASKED:
        return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1,
                                SCMP_CMP64(rule->arg, SCMP_CMP_MASKED_EQ, ~rule->value, 0));
    case SBX_ERRNO:
        return seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint16_t)rule->value), call, 0);
    }
    return -EINVAL;
}

static int add_rules(scmp_filter_ctx ctx, const struct sbx_profile *p, bool start)
{
    for (size_t i = 0; i < p->n_rules; i++) {
        int r;

        if (p->rules[i].phase == SBX_START && !start)
            continue;
        r = add_rule(ctx, &p->rules[i]);
        if (r < 0) {
            fprintf(stderr, "sbx-compile: %s: row %zu (%s): %s\n", p->name, i, p->rules[i].call,
                    strerror(-r));
            return r;
        }
    }
    return 0;
}

static void print_program(const char *name, const char *phase, const struct sock_filter *insns,
                          size_t n)
{
    printf("static const struct sock_filter %s_%s[] = {\n", name, phase);
    for (size_t i = 0; i < n; i++)
        printf("    {0x%04x, %u, %u, 0x%08x},\n", insns[i].code, insns[i].jt, insns[i].jf,
               insns[i].k);
    printf("};\n\n");
}

static int compile(const struct sbx_profile *p, bool start)
{
    static struct sock_filter insns[MAX_INSNS];
    AUTO_FD fd = memfd_create("bpf", MFD_CLOEXEC);
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    ssize_t len = -1;
    int r = ctx == NULL || fd < 0 ? -ENOMEM : add_rules(ctx, p, start);

    if (r == 0)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0)
        r = seccomp_export_bpf(ctx, fd);
    if (r == 0)
        len = pread(fd, insns, sizeof(insns), 0);
    seccomp_release(ctx);
    if (r < 0 || len <= 0 || (size_t)len == sizeof(insns))
        return r < 0 ? r : -EIO;
    print_program(p->name, start ? "start" : "run", insns, (size_t)len / sizeof(insns[0]));
    return 0;
}

int main(void)
{
    const struct sbx_profile *p = &sbx_profile_to_compile;

    printf("/* Made by tools/sbx-compile from the profile of %s. */\n", p->name);
    printf(
        "#include <linux/filter.h>\n\n#include \"base/macro.h\"\n#include \"base/sandbox.h\"\n\n");
    if (compile(p, true) < 0 || compile(p, false) < 0)
        return 1;
    printf("extern const struct sbx_filter %s_filter;\n", p->name);
    printf("const struct sbx_filter %s_filter = {\n"
           "    .start = {%s_start, COUNT_OF(%s_start)},\n"
           "    .run = {%s_run, COUNT_OF(%s_run)},\n};\n",
           p->name, p->name, p->name, p->name, p->name);
    return 0;
}
