/*
 * supervisor/partition/kvm_cpuid.h - what CPUID says on each vCPU.
 *
 * Plain table work: no descriptor, no system call.
 */
#pragma once

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "supervisor/partition/partition.h"

enum {
    KVM_CPUID_MAX = 256, /* entries; kernels limit themselves to as many */
};

/* The layout of a struct kvm_cpuid2 with its entries: the ioctls take a pointer to it. */
struct cpuid_table {
    uint32_t n;
    uint32_t spare;
    struct kvm_cpuid_entry2 entries[KVM_CPUID_MAX];
};
_Static_assert(offsetof(struct cpuid_table, entries) == sizeof(struct kvm_cpuid2), "layout");

struct kvm_cpu {
    unsigned index; /* also its APIC id */
    unsigned count; /* vCPUs: one package, one core each, no threads */
    bool tsc_deadline;
    const struct cpuid_leaf *leaves; /* of the hypervisor's range; borrowed */
    size_t n_leaves;                 /* 0: what the kernel says there stays */
};

/*
 * Turn what the host supports into what this vCPU shows: APIC id, topology, timer; no VMX or SVM.
 * 0, or -ENOBUFS when the table is full; then it is half done.
 */
int MUST_USE kvm_cpuid_for(struct cpuid_table *c, const struct kvm_cpu *cpu);

/*
 * Put in the processor's name, which the kernel leaves out of what it supports. Asks this
 * processor.
 */
void kvm_cpuid_add_name(struct cpuid_table *c);

/* Does the time stamp counter run at one rate? */
bool kvm_cpuid_tsc_invariant(const struct cpuid_table *c);

/* Bits of a physical address. */
unsigned kvm_cpuid_phys_bits(const struct cpuid_table *c);
