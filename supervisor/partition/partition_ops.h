/*
 * supervisor/partition/partition_ops.h - what a backend implements. Private to this folder.
 *
 * partition.c checks arguments and capabilities; a backend sees only calls it said it can serve.
 * A backend embeds struct partition and struct vcpu as the first member of its own.
 */
#pragma once

#include "supervisor/partition/partition.h"

enum {
    PARTITION_PAGE_BYTES = 4096,
    PARTITION_MAX_MEMORY = 16, /* ranges */
};

/* Memory that the guest reads, and perhaps writes, without an exit. */
struct partition_memory {
    uint64_t start; /* guest physical */
    uint64_t len;   /* bytes */
    void *host;     /* borrowed */
    bool writable;
};

struct partition_ops {
    int (*open)(const struct partition_config *config, struct partition **ret);
    void (*close)(struct partition *p);
    int (*memory_add)(struct partition *p, unsigned slot, const struct partition_memory *m);
    int (*irqfd_add)(struct partition *p, uint32_t gsi, int fd);
    int (*doorbell_add)(struct partition *p, const struct doorbell *d);
    int (*vp_irq_add)(struct partition *p, unsigned vp, int fd);
    int (*vp_irq_route)(struct partition *p, unsigned vp, uint8_t vector);
    void (*hypercall_page)(const struct partition *p, bool long_mode,
                           uint8_t bytes[HYPERCALL_PAGE_BYTES]);
    int (*vcpu_open)(struct partition *p, unsigned index, struct vcpu **ret);
    int (*vcpu_set_boot_state)(struct vcpu *v, const struct boot_regs *regs);
    int (*vcpu_bind)(struct vcpu *v);
    void (*vcpu_run)(struct vcpu *v, struct vm_exit *ret);
    void (*vcpu_finish)(struct vcpu *v, uint64_t data);
    void (*vcpu_finish_msr)(struct vcpu *v, uint64_t data, bool fault);
    int (*vcpu_accept_msr)(struct vcpu *v, bool *ret_long_mode);
    uint64_t (*vcpu_tsc)(const struct vcpu *v);
    void (*vcpu_kick)(struct vcpu *v);
    int (*vcpu_diagnose)(struct vcpu *v, struct vcpu_diagnosis *ret);
    int (*vcpu_get_regs)(struct vcpu *v, struct guest_regs *ret);
    int (*vcpu_set_regs)(struct vcpu *v, const struct guest_regs *regs);
    int (*vcpu_set_debug)(struct vcpu *v, const struct guest_break *breaks, unsigned n, bool step);
};

struct vcpu {
    struct partition *partition; /* borrowed */
    unsigned index;
};

struct partition {
    const struct partition_ops *ops;
    struct partition_info info;
    struct partition_memory memory[PARTITION_MAX_MEMORY];
    unsigned n_memory;
    unsigned n_open; /* vCPUs opened */
    struct cpuid_leaf leaves[PARTITION_MAX_LEAVES];
    size_t n_leaves; /* 0: the hypervisor's range is the backend's */
};

extern const struct partition_ops partition_kvm_ops;
