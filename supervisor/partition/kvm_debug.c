/*
 * What a debugger needs of a vCPU: its registers, in the memory shared with the kernel, and breaks in the
 * processor's debug registers, so that no instruction of the guest is changed.
 *
 * @spec SDM 3B 17.2 (debug registers)
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "supervisor/partition/kvm.h"

enum {
    DR7 = 7, /* its place in what the kernel is told */
    DR7_GLOBAL = 2,
    DR7_FIXED = 1 << 10,
    DR7_FIRST_CONDITION = 16,
    DR6_BREAKS = 0xf,
};

static const enum guest_reg gpr_order[] = {GUEST_RAX, GUEST_RBX, GUEST_RCX,   GUEST_RDX, GUEST_RSI,
                                           GUEST_RDI, GUEST_RSP, GUEST_RBP,   GUEST_R8,  GUEST_R9,
                                           GUEST_R10, GUEST_R11, GUEST_R12,   GUEST_R13, GUEST_R14,
                                           GUEST_R15, GUEST_RIP, GUEST_RFLAGS};
_Static_assert(sizeof(struct kvm_regs) == COUNT_OF(gpr_order) * sizeof(uint64_t),
               "the kernel's registers are so many numbers, in this order");

static void take_system(const struct kvm_sregs *s, struct guest_regs *ret)
{
    ret->v[GUEST_CS] = s->cs.selector;
    ret->v[GUEST_SS] = s->ss.selector;
    ret->v[GUEST_DS] = s->ds.selector;
    ret->v[GUEST_ES] = s->es.selector;
    ret->v[GUEST_FS] = s->fs.selector;
    ret->v[GUEST_GS] = s->gs.selector;
    ret->v[GUEST_FS_BASE] = s->fs.base;
    ret->v[GUEST_GS_BASE] = s->gs.base;
    ret->v[GUEST_CR0] = s->cr0;
    ret->v[GUEST_CR2] = s->cr2;
    ret->v[GUEST_CR3] = s->cr3;
    ret->v[GUEST_CR4] = s->cr4;
    ret->v[GUEST_CR8] = s->cr8;
    ret->v[GUEST_EFER] = s->efer;
}

int kvm_vcpu_get_regs(struct vcpu *base, struct guest_regs *ret)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)base;
    const struct kvm_partition *k = (const struct kvm_partition *)base->partition;
    uint64_t gprs[COUNT_OF(gpr_order)];

    if (!k->sync_regs)
        return -EOPNOTSUPP;
    if (kvm_vcpu_fetch(v, KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS) < 0)
        return -EIO;
    memcpy(gprs, &v->run->s.regs.regs, sizeof(gprs));
    for (size_t i = 0; i < COUNT_OF(gpr_order); i++)
        ret->v[gpr_order[i]] = gprs[i];
    take_system(&v->run->s.regs.sregs, ret);
    return 0;
}

/* At once: where a step begins is taken from them. */
int kvm_vcpu_set_regs(struct vcpu *base, const struct guest_regs *regs)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)base;
    uint64_t gprs[COUNT_OF(gpr_order)];

    for (size_t i = 0; i < COUNT_OF(gpr_order); i++)
        gprs[i] = regs->v[gpr_order[i]];
    memcpy(&v->run->s.regs.regs, gprs, sizeof(gprs));
    v->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
    return kvm_vcpu_fetch(v, 0);
}

/* A length of 1, 2, 4, 8 bytes is 0, 1, 3, 2. */
static uint64_t condition(const struct guest_break *b)
{
    const uint64_t len = b->len == 8 ? 2 : b->len - 1;

    return len << 2 | b->kind;
}

int kvm_vcpu_set_debug(struct vcpu *base, const struct guest_break *breaks, unsigned n, bool step)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)base;
    const struct kvm_partition *k = (const struct kvm_partition *)base->partition;
    struct kvm_guest_debug d = {0};

    v->stepped = false; /* the step before is nobody's any more */
    for (unsigned i = 0; i < n; i++) {
        d.arch.debugreg[i] = breaks[i].address;
        d.arch.debugreg[DR7] |= DR7_FIXED | (uint64_t)DR7_GLOBAL << (2 * i) |
                                condition(&breaks[i]) << (DR7_FIRST_CONDITION + 4 * i);
    }
    if (n > 0)
        d.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
    if (step)
        d.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |
                     (k->block_irq ? KVM_GUESTDBG_BLOCKIRQ : 0u);
    return ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d) < 0 ? -errno : 0;
}

void kvm_debug_exit(const struct kvm_vcpu *v, struct vm_exit *ret)
{
    *ret = (struct vm_exit){
        .kind = EXIT_DEBUG,
        .debug = {.breaks = (uint32_t)v->run->debug.arch.dr6 & DR6_BREAKS},
    };
}
