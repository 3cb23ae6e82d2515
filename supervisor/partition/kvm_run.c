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

    pieces_finish(&v->pieces, data);
}

static void fatal(struct vm_exit *ret, enum fatal_reason reason, uint64_t info)
{
    *ret = (struct vm_exit){
        .kind = EXIT_FATAL, .fatal = {.reason = reason, .info = info}
    };
}

static void on_io(struct kvm_vcpu *v, struct vm_exit *ret)
{
    struct kvm_run *run = v->run;
    uint64_t len = (uint64_t)run->io.size * run->io.count;

    if (len == 0 || !range_inside(run->io.data_offset, len, v->run_len)) {
        fatal(ret, FATAL_UNKNOWN, run->exit_reason);
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
    err = enter(v);
    if (err == EINTR) {
        /* A kick that falls here is seen too: the caller looks at its flags after this. */
        set_immediate_exit(v, false);
        *ret = (struct vm_exit){.kind = EXIT_CANCELED};
    } else if (err != 0) {
        fatal(ret, FATAL_ERRNO, (uint64_t)err);
    } else {
        on_exit_reason(v, ret);
    }
}

/*
 * Have the registers copied to the run mapping on the way out of a run that enters no guest code.
 * So the filter needs no further ioctl. The flag is left set: clearing it could lose a kick.
 */
int kvm_vcpu_diagnose(struct vcpu *base, struct vcpu_diagnosis *ret)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)base;
    const struct kvm_partition *k = (const struct kvm_partition *)base->partition;
    const struct kvm_sync_regs *s = &v->run->s.regs;
    int err;

    if (!k->sync_regs)
        return -EOPNOTSUPP;
    set_immediate_exit(v, true);
    v->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
    err = enter(v);
    v->run->kvm_valid_regs = 0;
    if (err != EINTR)
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
