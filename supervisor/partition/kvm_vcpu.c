#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/partition/kvm.h"

static const uint64_t CR0_PE = 1u << 0;
static const uint64_t CR0_MP = 1u << 1;
static const uint64_t CR0_ET = 1u << 4;
static const uint64_t CR0_NE = 1u << 5;
static const uint64_t CR0_WP = 1u << 16;
static const uint64_t CR0_PG = 1u << 31;
static const uint64_t CR4_PAE = 1u << 5;
static const uint64_t EFER_LME = 1u << 8;
static const uint64_t EFER_LMA = 1u << 10;
static const uint64_t RFLAGS_ALWAYS = 1u << 1;

enum {
    MSR_TSC = 0x10,
    MSR_MISC_ENABLE = 0x1a0,
    MSR_MTRR_DEF_TYPE = 0x2ff,
    MSR_TSC_INVARIANT_CONTROL = 0x40000118,
    TSC_SAMPLES = 8,
    MISC_ENABLE_FAST_STRINGS = 1,
    MTRR_ENABLED_WRITE_BACK = 1 << 11 | 6,
    SEGMENT_CODE = 0xb, /* execute, read, accessed */
    SEGMENT_DATA = 0x3, /* read, write, accessed */
    SEGMENT_TSS = 0xb,  /* 64-bit, busy */
    TSS_LIMIT = 0x67,
};

/* The layout of a struct kvm_msrs with its entries. */
struct msr_list {
    uint32_t n;
    uint32_t spare;
    struct kvm_msr_entry entries[2];
};
_Static_assert(offsetof(struct msr_list, entries) == sizeof(struct kvm_msrs), "layout");

/*
 * What firmware leaves behind and Linux relies on. Without MTRRs Linux does without the PAT too.
 */
static int set_msrs(const struct kvm_vcpu *v)
{
    struct msr_list list = {
        .n = 2,
        .entries =
            {
                      {.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED_WRITE_BACK},
                      {.index = MSR_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRINGS},
                      },
    };

    if (ioctl(v->fd, KVM_SET_MSRS, &list) < 0) /* the count set: the last may not exist */
        return -errno;
    return 0;
}

/*
 * A kernel with Hyper-V emulation of its own hides the invariant TSC until this is set, and it does not see
 * that the guest sets it: that is ours. Others do not know it.
 */
static void show_invariant_tsc(const struct kvm_vcpu *v)
{
    struct msr_list list = {.n = 1, .entries = {{.index = MSR_TSC_INVARIANT_CONTROL, .data = 1}}};

    (void)!ioctl(v->fd, KVM_SET_MSRS, &list);
}

/* A kernel too old to tell the offset tells the counter: the tightest of a few looks. */
static int sample_tsc_offset(const struct kvm_vcpu *v, uint64_t *ret)
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < TSC_SAMPLES; i++) {
        struct msr_list list = {.n = 1, .entries = {{.index = MSR_TSC}}};
        uint64_t before = __rdtsc();
        uint64_t took;

        if (ioctl(v->fd, KVM_GET_MSRS, &list) != 1)
            return -EOPNOTSUPP;
        took = __rdtsc() - before;
        if (took < best) {
            best = took;
            *ret = list.entries[0].data - (before + took / 2);
        }
    }
    return 0;
}

static int read_tsc_offset(struct kvm_vcpu *v)
{
    uint64_t offset;
    struct kvm_device_attr attr = {
        .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&offset};

    if (ioctl(v->fd, KVM_GET_DEVICE_ATTR, &attr) < 0)
        return sample_tsc_offset(v, &v->tsc_offset);
    v->tsc_offset = offset;
    return 0;
}

/* The guest's counter runs at this one's rate: nothing here asks for another. */
uint64_t kvm_vcpu_tsc(const struct vcpu *base)
{
    const struct kvm_vcpu *v = (const struct kvm_vcpu *)base;

    return __rdtsc() + v->tsc_offset;
}

static int set_cpuid(const struct kvm_partition *k, const struct kvm_vcpu *v)
{
    struct kvm_cpu cpu = {
        .index = v->base.index,
        .count = k->base.info.n_vcpus,
        .tsc_deadline = k->tsc_deadline,
        .leaves = k->base.leaves,
        .n_leaves = k->base.n_leaves,
    };
    AUTO_FREE struct cpuid_table *c = malloc(sizeof(*c));
    int r;

    if (c == NULL)
        return -ENOMEM;
    *c = k->cpuid;
    r = kvm_cpuid_for(c, &cpu);
    if (r < 0)
        return r;
    return ioctl(v->fd, KVM_SET_CPUID2, c) < 0 ? -errno : 0;
}

void kvm_vcpu_close(struct kvm_vcpu *v)
{
    if (v->run != NULL)
        (void)munmap(v->run, v->run_len);
    v->run = NULL;
    fd_closep(&v->fd);
}

static int vcpu_make(struct kvm_partition *k, struct kvm_vcpu *v)
{
    void *run;
    int r;

    v->fd = ioctl(k->vm_fd, KVM_CREATE_VCPU, (unsigned long)v->base.index);
    if (v->fd < 0)
        return -errno;
    run = mmap(NULL, k->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
    if (run == MAP_FAILED)
        return -errno;
    v->run = run;
    v->run_len = k->run_len;
    r = set_cpuid(k, v);
    if (r == 0)
        r = set_msrs(v);
    if (r == 0)
        r = read_tsc_offset(v);
    if (r == 0 && k->base.n_leaves > 0 && k->base.info.tsc_invariant)
        show_invariant_tsc(v);
    return r;
}

int kvm_vcpu_open(struct partition *p, unsigned index, struct vcpu **ret)
{
    struct kvm_partition *k = (struct kvm_partition *)p;
    struct kvm_vcpu *v = &k->vcpus[index];
    int r;

    v->base = (struct vcpu){.partition = p, .index = index};
    r = vcpu_make(k, v);
    if (r < 0) {
        kvm_vcpu_close(v);
        return r;
    }
    if (index == 0) {
        int khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);

        p->info.tsc_khz = khz > 0 ? (uint32_t)khz : 0;
    }
    *ret = &v->base;
    return 0;
}

static struct kvm_segment flat_segment(uint16_t selector, bool code)
{
    return (struct kvm_segment){
        .limit = UINT32_MAX,
        .selector = selector,
        .type = code ? SEGMENT_CODE : SEGMENT_DATA,
        .present = 1,
        .s = 1,
        .l = code,
        .db = !code,
        .g = 1,
    };
}

static void set_segments(struct kvm_sregs *s, const struct boot_regs *regs)
{
    struct kvm_segment data = flat_segment(regs->ds, false);

    s->cs = flat_segment(regs->cs, true);
    s->ds = data;
    s->es = data;
    s->fs = data;
    s->gs = data;
    s->ss = data;
    s->tr = (struct kvm_segment){
        .limit = TSS_LIMIT, .selector = regs->tr, .type = SEGMENT_TSS, .present = 1};
    s->gdt.base = regs->gdt;
    s->gdt.limit = regs->gdt_limit;
    s->idt.base = 0;
    s->idt.limit = 0;
}

int kvm_vcpu_set_boot_state(struct vcpu *base, const struct boot_regs *regs)
{
    const struct kvm_vcpu *v = (const struct kvm_vcpu *)base;
    struct kvm_regs r = {
        .rip = regs->rip, .rsi = regs->rsi, .rsp = regs->rsp, .rflags = RFLAGS_ALWAYS};
    struct kvm_sregs s;

    if (ioctl(v->fd, KVM_GET_SREGS, &s) < 0)
        return -errno;
    set_segments(&s, regs);
    s.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    s.cr3 = regs->cr3;
    s.cr4 = CR4_PAE;
    s.efer = EFER_LME | EFER_LMA;
    if (ioctl(v->fd, KVM_SET_SREGS, &s) < 0 || ioctl(v->fd, KVM_SET_REGS, &r) < 0)
        return -errno;
    return 0;
}
