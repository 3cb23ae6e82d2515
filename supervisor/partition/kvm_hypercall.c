/*
 * How hypercalls arrive. The hypercall page's content is ours, and KVM knows no VMCALL that would reach
 * us: so its code writes to ports. A signal of the plainest form becomes PARTITION_SIGNAL_PORT with the
 * connection id, which a doorbell takes in the kernel; all else KVM_HYPERCALL_PORT, which exits. The
 * signal then always succeeds: Linux does not look at its result.
 *
 * @spec TLFS 3 (hypercall interface: registers)
 */
#include <string.h>

#include "supervisor/partition/kvm.h"

enum {
    PAGE_FILLER = 0xcc, /* int3 */
    CR0_PE = 1,
    EFER_LMA = 1 << 10,
};

/* RCX: control, RDX: input, R8: output; the result is in RAX. */
static const uint8_t code_64[] = {
    0xf3, 0x0f,
    0x1e, 0xfa, /* 00 endbr64: Linux looks for it */
    0x48, 0x81,
    0xf9, 0x5d,
    0x00, 0x01,
    0x00,       /* 04 cmp rcx, 0x1005d: fast signal */
    0x75, 0x10, /* 0b jne 1d */
    0x48, 0x89,
    0xd0, /* 0d mov rax, rdx */
    0x48, 0xc1,
    0xe8, 0x20,                  /* 10 shr rax, 32: flag number, reserved */
    0x75, 0x07,                  /* 14 jne 1d */
    0x89, 0xd0,                  /* 16 mov eax, edx */
    0xe7, PARTITION_SIGNAL_PORT, /* 18 out, eax */
    0x31, 0xc0,                  /* 1a xor eax, eax */
    0xc3,                        /* 1c ret */
    0xe7, KVM_HYPERCALL_PORT,    /* 1d out, eax */
    0xc3,                        /* 1f ret */
};

/* EDX:EAX: control, EBX:ECX: input, EDI:ESI: output; the result is in EDX:EAX. */
static const uint8_t code_32[] = {
    0xf3, 0x0f,
    0x1e, 0xfb, /* 00 endbr32 */
    0x3d, 0x5d,
    0x00, 0x01,
    0x00,                        /* 04 cmp eax, 0x1005d */
    0x75, 0x11,                  /* 09 jne 1c */
    0x85, 0xd2,                  /* 0b test edx, edx */
    0x75, 0x0d,                  /* 0d jne 1c */
    0x85, 0xdb,                  /* 0f test ebx, ebx */
    0x75, 0x09,                  /* 11 jne 1c */
    0x89, 0xc8,                  /* 13 mov eax, ecx */
    0xe7, PARTITION_SIGNAL_PORT, /* 15 out, eax */
    0x31, 0xc0,                  /* 17 xor eax, eax */
    0x31, 0xd2,                  /* 19 xor edx, edx */
    0xc3,                        /* 1b ret */
    0xe7, KVM_HYPERCALL_PORT,    /* 1c out, eax */
    0xc3,                        /* 1e ret */
};

void kvm_hypercall_page(const struct partition *p, bool long_mode,
                        uint8_t bytes[HYPERCALL_PAGE_BYTES])
{
    (void)p;
    memset(bytes, PAGE_FILLER, HYPERCALL_PAGE_BYTES);
    if (long_mode)
        memcpy(bytes, code_64, sizeof(code_64));
    else
        memcpy(bytes, code_32, sizeof(code_32));
}

static uint64_t pair(uint64_t high, uint64_t low)
{
    return high << 32 | (low & UINT32_MAX);
}

bool kvm_is_long_mode(const struct kvm_sregs *s)
{
    return (s->efer & EFER_LMA) != 0 && s->cs.l != 0;
}

/* Fetching the registers also completes the OUT: the guest goes on behind it. */
void kvm_hypercall_exit(struct kvm_vcpu *v, struct vm_exit *ret)
{
    const struct kvm_regs *r = &v->run->s.regs.regs;
    const struct kvm_sregs *s = &v->run->s.regs.sregs;
    struct vm_hypercall *h = &ret->hypercall;

    if (kvm_vcpu_fetch(v, KVM_HYPERCALL_REGS) < 0) {
        *ret = (struct vm_exit){
            .kind = EXIT_FATAL, .fatal = {.reason = FATAL_UNKNOWN, .info = v->run->exit_reason}
        };
        return;
    }
    *ret = (struct vm_exit){.kind = EXIT_HYPERCALL};
    h->privileged = (s->cr0 & CR0_PE) != 0 && s->ss.dpl == 0;
    h->long_mode = kvm_is_long_mode(s);
    h->control = h->long_mode ? r->rcx : pair(r->rdx, r->rax);
    h->input = h->long_mode ? r->rdx : pair(r->rbx, r->rcx);
    h->output = h->long_mode ? r->r8 : pair(r->rdi, r->rsi);
    v->answer = KVM_ANSWER_HYPERCALL;
}

/* The next run takes the registers from the run mapping, where the fetch has put them. */
void kvm_hypercall_finish(struct kvm_vcpu *v, uint64_t result)
{
    struct kvm_regs *r = &v->run->s.regs.regs;

    if (kvm_is_long_mode(&v->run->s.regs.sregs)) {
        r->rax = result;
    } else {
        r->rax = result & UINT32_MAX;
        r->rdx = result >> 32;
    }
    v->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}
