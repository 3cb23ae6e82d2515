#include <errno.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/num.h"
#include "supervisor/partition/kvm.h"

enum {
    MMIO_MAX_BYTES = 8,
};

/* Written by kickers, read by the kernel. */
static void set_immediate_exit(struct kvm_vcpu *v, bool on)
{
    __atomic_store_n(&v->run->immediate_exit, on, __ATOMIC_SEQ_CST);
}

int kvm_vcpu_bind(struct vcpu *base)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)base;

    atomic_store(&v->tid, (pid_t)syscall(SYS_gettid));
    return 0;
}

void kvm_vcpu_kick(struct vcpu *base)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)base;
    const struct kvm_partition *k = (const struct kvm_partition *)base->partition;
    pid_t tid;

    atomic_store(&v->kicked, true);
    set_immediate_exit(v, true); /* if it is not in the guest yet, it will not enter */
    tid = atomic_load(&v->tid);
    if (tid != 0) {
        int saved = errno;

        (void)syscall(SYS_tgkill, k->pid, tid, VCPU_KICK_SIGNAL);
        errno = saved;
    }
}

static void hand_out(struct kvm_vcpu *v, struct vm_exit *ret)
{
    *ret = (struct vm_exit){.kind = EXIT_ACCESS};
    pieces_next(&v->pieces, &ret->access);
}

void kvm_vcpu_finish(struct vcpu *base, uint64_t data)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)base;

    if (v->answer == KVM_ANSWER_HYPERCALL)
        kvm_hypercall_finish(v, data);
    else
        pieces_finish(&v->pieces, data);
    v->answer = KVM_ANSWER_PIECES;
}

void kvm_vcpu_finish_msr(struct vcpu *base, uint64_t data, bool fault)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)base;

    if (v->answer == KVM_ANSWER_MSR) {
        v->run->msr.error = fault;
        if (v->run->exit_reason == KVM_EXIT_X86_RDMSR)
            v->run->msr.data = data;
    }
    v->answer = KVM_ANSWER_PIECES;
}

static void fatal(struct vm_exit *ret, enum fatal_reason reason, uint64_t info)
{
    *ret = (struct vm_exit){
        .kind = EXIT_FATAL, .fatal = {.reason = reason, .info = info}
    };
}

static bool is_hypercall(const struct kvm_vcpu *v)
{
    const struct kvm_run *run = v->run;

    return (v->base.partition->info.caps & PARTITION_CAP_HYPERCALL) != 0 &&
           run->io.direction == KVM_EXIT_IO_OUT && run->io.port == KVM_HYPERCALL_PORT &&
           run->io.size == 4 && run->io.count == 1;
}

static void on_io(struct kvm_vcpu *v, struct vm_exit *ret)
{
    struct kvm_run *run = v->run;
    uint64_t len = (uint64_t)run->io.size * run->io.count;

    if (len == 0 || !range_inside(run->io.data_offset, len, v->run_len)) {
        fatal(ret, FATAL_UNKNOWN, run->exit_reason);
        return;
    }
    if (is_hypercall(v)) {
        kvm_hypercall_exit(v, ret);
        return;
    }
    v->pieces = (struct pieces){
        .at = (uint8_t *)run + run->io.data_offset,
        .left = (uint32_t)len,
        .io_size = run->io.size,
        .write = run->io.direction == KVM_EXIT_IO_OUT,
        .addr = run->io.port,
    };
    hand_out(v, ret);
}

static void on_mmio(struct kvm_vcpu *v, struct vm_exit *ret)
{
    struct kvm_run *run = v->run;

    if (run->mmio.len == 0 || run->mmio.len > MMIO_MAX_BYTES) {
        fatal(ret, FATAL_UNKNOWN, run->exit_reason);
        return;
    }
    v->pieces = (struct pieces){
        .at = run->mmio.data,
        .left = run->mmio.len,
        .write = run->mmio.is_write != 0,
        .addr = run->mmio.phys_addr,
    };
    hand_out(v, ret);
}

static void on_msr(struct kvm_vcpu *v, bool write, struct vm_exit *ret)
{
    v->answer = KVM_ANSWER_MSR;
    *ret = (struct vm_exit){
        .kind = EXIT_MSR,
        .msr = {.index = v->run->msr.index, .write = write, .data = write ? v->run->msr.data : 0},
    };
}

static void on_exit_reason(struct kvm_vcpu *v, struct vm_exit *ret)
{
    const struct kvm_run *run = v->run;

    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        on_io(v, ret);
        break;
    case KVM_EXIT_MMIO:
        on_mmio(v, ret);
        break;
    case KVM_EXIT_X86_RDMSR:
        on_msr(v, false, ret);
        break;
    case KVM_EXIT_X86_WRMSR:
        on_msr(v, true, ret);
        break;
    case KVM_EXIT_DEBUG:
        kvm_debug_exit(v, ret);
        break;
    case KVM_EXIT_HLT:
        *ret = (struct vm_exit){.kind = EXIT_HALT};
        break;
    case KVM_EXIT_SHUTDOWN:
        *ret = (struct vm_exit){.kind = EXIT_SHUTDOWN};
        break;
    case KVM_EXIT_INTR:
        *ret = (struct vm_exit){.kind = EXIT_CANCELED};
        break;
    case KVM_EXIT_FAIL_ENTRY:
        fatal(ret, FATAL_ENTRY, run->fail_entry.hardware_entry_failure_reason);
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        fatal(ret, FATAL_INTERNAL, run->internal.suberror);
        break;
    default:
        fatal(ret, FATAL_UNKNOWN, run->exit_reason);
        break;
    }
}

/* 0, or the errno of KVM_RUN; a vCPU that was only woken is run again. */
static int enter(const struct kvm_vcpu *v)
{
    int r;

    do {
        r = ioctl(v->fd, KVM_RUN, 0) < 0 ? errno : 0;
    } while (r == EAGAIN);
    return r;
}

void kvm_vcpu_run(struct vcpu *base, struct vm_exit *ret)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)base;
    int err;

    if (pieces_left(&v->pieces)) {
        hand_out(v, ret);
        return;
    }
    if (v->stepped) {
        v->stepped = false;
        *ret = (struct vm_exit){.kind = EXIT_DEBUG};
        return;
    }
    err = enter(v);
    if (err == EINTR) {
        /* A kick that falls here is seen too: the caller looks at its flags after this. */
        atomic_store(&v->kicked, false);
        set_immediate_exit(v, false);
        *ret = (struct vm_exit){.kind = EXIT_CANCELED};
    } else if (err != 0) {
        fatal(ret, FATAL_ERRNO, (uint64_t)err);
    } else {
        on_exit_reason(v, ret);
    }
}

int kvm_vcpu_fetch(struct kvm_vcpu *v, uint64_t fields)
{
    int err;

    set_immediate_exit(v, true);
    v->run->kvm_valid_regs = fields;
    err = enter(v);
    v->run->kvm_valid_regs = 0;
    set_immediate_exit(v, false);
    if (atomic_load(&v->kicked)) /* whoever kicks says so first: no kick is lost here */
        set_immediate_exit(v, true);
    /* Who steps over what exits is told when its answer completes it, before the kernel looks at immediate_exit. */
    if (err == 0 && v->run->exit_reason == KVM_EXIT_DEBUG) {
        v->stepped = true;
        return 0;
    }
    return err == EINTR ? 0 : -EIO;
}

/* Most exits need no register, so a mode is fetched when it is asked for and not before. */
int kvm_vcpu_accept_msr(struct vcpu *base, bool *ret_long_mode)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)base;
    const struct kvm_partition *k = (const struct kvm_partition *)base->partition;

    if (v->answer != KVM_ANSWER_MSR || !k->sync_regs)
        return -EIO;
    v->run->msr.error = 0;
    v->answer = KVM_ANSWER_MSR_ACCEPTED;
    if (kvm_vcpu_fetch(v, KVM_SYNC_X86_SREGS) < 0)
        return -EIO;
    *ret_long_mode = kvm_is_long_mode(&v->run->s.regs.sregs);
    return 0;
}

/* In the filter there is no further ioctl for registers, and none is needed. */
int kvm_vcpu_diagnose(struct vcpu *base, struct vcpu_diagnosis *ret)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)base;
    const struct kvm_partition *k = (const struct kvm_partition *)base->partition;
    const struct kvm_sync_regs *s = &v->run->s.regs;

    if (!k->sync_regs)
        return -EOPNOTSUPP;
    if (kvm_vcpu_fetch(v, KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS) < 0)
        return -EIO;
    *ret = (struct vcpu_diagnosis){
        .rip = s->regs.rip,
        .rsp = s->regs.rsp,
        .rflags = s->regs.rflags,
        .cr0 = s->sregs.cr0,
        .cr2 = s->sregs.cr2,
        .cr3 = s->sregs.cr3,
        .cr4 = s->sregs.cr4,
        .efer = s->sregs.efer,
    };
    return 0;
}
