/*
 * supervisor/partition/kvm.h - the kvm backend's own parts. Private to this folder.
 *
 *   kvm.c        the partition: its interrupt controllers, memory, irqfds, doorbells
 *   kvm_cpuid.c  what CPUID says on each vCPU
 *   kvm_vcpu.c   making a vCPU and its first state
 *   kvm_run.c    running it
 *   kvm_hypercall.c  the hypercall page, and how hypercalls arrive
 *   kvm_debug.c  its registers, and what stops it for a debugger
 *   kvm_vp_irq.c interrupts of virtual processors
 */
#pragma once

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "supervisor/partition/kvm_cpuid.h"
#include "supervisor/partition/partition_ops.h"
#include "supervisor/partition/pieces.h"

enum {
    KVM_HYPERCALL_PORT = 0xe4, /* 4 bytes written: a hypercall */
    KVM_HYPERCALL_REGS = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS,
};

/* How the exit that waits for an answer is answered. */
enum kvm_answer {
    KVM_ANSWER_PIECES, /* or none waits */
    KVM_ANSWER_MSR,
    KVM_ANSWER_MSR_ACCEPTED, /* the kernel has been told */
    KVM_ANSWER_HYPERCALL,
};

struct kvm_vcpu {
    struct vcpu base;
    int fd;
    enum kvm_answer answer;
    uint64_t tsc_offset; /* of the guest's time stamp counter to this processor's */
    _Atomic bool kicked; /* since the last EXIT_CANCELED */
    bool stepped;        /* a step ended while registers were fetched, and nobody was told yet */
    struct kvm_run *run; /* mapping of run_len bytes, shared with the kernel */
    size_t run_len;
    struct pieces pieces;
    _Atomic pid_t tid; /* 0: not bound */
};

struct kvm_partition {
    struct partition base;
    int vm_fd;
    size_t run_len;
    pid_t pid;
    bool sync_regs; /* registers can be had in the run mapping */
    bool block_irq; /* a step goes into no interrupt's handler */
    bool tsc_deadline;
    pthread_mutex_t vp_irq_lock;
    uint8_t vp_vectors[PARTITION_MAX_VCPUS]; /* 0: none; under vp_irq_lock */
    struct cpuid_table cpuid;                /* what the host supports */
    struct kvm_vcpu vcpus[PARTITION_MAX_VCPUS];
};

/* Whether the KVM capability is there: its value, 0 when not. */
int kvm_extension(int fd, int cap);

int MUST_USE kvm_vcpu_open(struct partition *p, unsigned index, struct vcpu **ret);
void kvm_vcpu_close(struct kvm_vcpu *v);
int MUST_USE kvm_vcpu_set_boot_state(struct vcpu *v, const struct boot_regs *regs);
int MUST_USE kvm_vcpu_bind(struct vcpu *v);
void kvm_vcpu_run(struct vcpu *v, struct vm_exit *ret);
void kvm_vcpu_finish(struct vcpu *v, uint64_t data);
void kvm_vcpu_kick(struct vcpu *v);
void kvm_vcpu_finish_msr(struct vcpu *v, uint64_t data, bool fault);
int MUST_USE kvm_vcpu_accept_msr(struct vcpu *v, bool *ret_long_mode);
uint64_t kvm_vcpu_tsc(const struct vcpu *v);
int MUST_USE kvm_vcpu_diagnose(struct vcpu *v, struct vcpu_diagnosis *ret);

int MUST_USE kvm_vcpu_get_regs(struct vcpu *v, struct guest_regs *ret);
int MUST_USE kvm_vcpu_set_regs(struct vcpu *v, const struct guest_regs *regs);
int MUST_USE kvm_vcpu_set_debug(struct vcpu *v, const struct guest_break *breaks, unsigned n,
                                bool step);
void kvm_debug_exit(const struct kvm_vcpu *v, struct vm_exit *ret);

/*
 * Have registers copied to the run mapping, on the way out of a run that enters no guest code. An
 * exit that waits for its answer is answered by that; if that ends a step, the next run says so.
 * 0 or -EIO.
 */
int MUST_USE kvm_vcpu_fetch(struct kvm_vcpu *v, uint64_t fields);

/* Does it run 64-bit code? */
bool kvm_is_long_mode(const struct kvm_sregs *s);

/* The exit of a write to KVM_HYPERCALL_PORT becomes one of a hypercall. */
void kvm_hypercall_exit(struct kvm_vcpu *v, struct vm_exit *ret);
void kvm_hypercall_finish(struct kvm_vcpu *v, uint64_t result);
void kvm_hypercall_page(const struct partition *p, bool long_mode,
                        uint8_t bytes[HYPERCALL_PAGE_BYTES]);

int MUST_USE kvm_vp_irq_add(struct partition *p, unsigned vp, int fd);
int MUST_USE kvm_vp_irq_route(struct partition *p, unsigned vp, uint8_t vector);
