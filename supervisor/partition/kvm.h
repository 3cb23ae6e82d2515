/*
 * supervisor/partition/kvm.h - the kvm backend's own parts. Private to this folder.
 *
 *   kvm.c        the partition: its interrupt controllers, memory, irqfds, doorbells
 *   kvm_cpuid.c  what CPUID says on each vCPU
 *   kvm_vcpu.c   making a vCPU and its first state
 *   kvm_run.c    running it
 */
#pragma once

#include <linux/kvm.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "supervisor/partition/kvm_cpuid.h"
#include "supervisor/partition/partition_ops.h"
#include "supervisor/partition/pieces.h"

struct kvm_vcpu {
    struct vcpu base;
    int fd;
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
    bool tsc_deadline;
    struct cpuid_table cpuid; /* what the host supports */
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
int MUST_USE kvm_vcpu_diagnose(struct vcpu *v, struct vcpu_diagnosis *ret);
