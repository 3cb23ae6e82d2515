#include "supervisor/partition/kvm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/fd.h"
#include "base/mem.h"

/* Four pages that Intel's virtualization takes from the guest's address space; above RAM_LOW_END,
 * below the reset vector, and no device's. */
static const uint64_t IDENTITY_MAP_GPA = 0xfffbc000;
static const uint64_t TSS_GPA = 0xfffbd000;

enum {
    SYNTHETIC_MSR_FIRST = 0x40000000,
    SYNTHETIC_MSRS = 0x200,
};

struct capability {
    int kvm;
    uint32_t cap; /* enum partition_cap; 0: cannot do without it */
};

static const struct capability capabilities[] = {
    {KVM_CAP_IRQCHIP,        PARTITION_CAP_LAPIC_IN_BACKEND},
    {KVM_CAP_IRQFD,          PARTITION_CAP_IRQFD           },
    {KVM_CAP_IOEVENTFD,      PARTITION_CAP_DOORBELL        },
    {KVM_CAP_READONLY_MEM,   PARTITION_CAP_READONLY_MEM    },
    {KVM_CAP_USER_MEMORY,    0                             },
    {KVM_CAP_EXT_CPUID,      0                             },
    {KVM_CAP_PIT2,           0                             },
    {KVM_CAP_IMMEDIATE_EXIT, 0                             }, /* kicks without a race */
    {KVM_CAP_SET_TSS_ADDR,   0                             },
};

int kvm_extension(int fd, int cap)
{
    int r = ioctl(fd, KVM_CHECK_EXTENSION, (unsigned long)cap);

    return r < 0 ? 0 : r;
}

/* What needs more than one of the kernel's capabilities. */
static uint32_t combined_capabilities(int kvm_fd)
{
    const unsigned long sync = (unsigned long)kvm_extension(kvm_fd, KVM_CAP_SYNC_REGS);
    uint32_t have = 0;

    if (kvm_extension(kvm_fd, KVM_CAP_X86_USER_SPACE_MSR) != 0 &&
        kvm_extension(kvm_fd, KVM_CAP_X86_MSR_FILTER) != 0)
        have |= PARTITION_CAP_MSR_EXIT;
    if ((sync & KVM_HYPERCALL_REGS) == KVM_HYPERCALL_REGS)
        have |= PARTITION_CAP_HYPERCALL;
    if (kvm_extension(kvm_fd, KVM_CAP_SET_GUEST_DEBUG) != 0)
        have |= PARTITION_CAP_DEBUG;
    if (kvm_extension(kvm_fd, KVM_CAP_IRQFD) != 0 &&
        kvm_extension(kvm_fd, KVM_CAP_IRQ_ROUTING) != 0)
        have |= PARTITION_CAP_VP_IRQ;
    return have;
}

static int read_capabilities(struct kvm_partition *k, int kvm_fd, unsigned n_vcpus)
{
    uint32_t have = combined_capabilities(kvm_fd);

    for (size_t i = 0; i < COUNT_OF(capabilities); i++) {
        if (kvm_extension(kvm_fd, capabilities[i].kvm) != 0)
            have |= capabilities[i].cap;
        else if (capabilities[i].cap == 0)
            return -EOPNOTSUPP;
    }
    if ((have & PARTITION_CAP_LAPIC_IN_BACKEND) == 0 ||
        kvm_extension(kvm_fd, KVM_CAP_MAX_VCPUS) < (int)n_vcpus)
        return -EOPNOTSUPP;
    k->base.info.caps = have;
    k->sync_regs =
        ((unsigned long)kvm_extension(kvm_fd, KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_REGS) != 0;
    k->block_irq = (kvm_extension(kvm_fd, KVM_CAP_SET_GUEST_DEBUG2) & KVM_GUESTDBG_BLOCKIRQ) != 0;
    k->tsc_deadline = kvm_extension(kvm_fd, KVM_CAP_TSC_DEADLINE_TIMER) != 0;
    return 0;
}

/* What is asked of /dev/kvm itself; it is not needed after this. */
static int read_system(struct kvm_partition *k, const struct partition_config *config)
{
    int len = ioctl(config->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

    if (len < (int)sizeof(struct kvm_run))
        return len < 0 ? -errno : -EOPNOTSUPP;
    k->run_len = (size_t)len;
    k->cpuid.n = KVM_CPUID_MAX;
    if (ioctl(config->kvm_fd, KVM_GET_SUPPORTED_CPUID, &k->cpuid) < 0)
        return -errno;
    kvm_cpuid_add_name(&k->cpuid);
    k->base.info.n_vcpus = config->n_vcpus;
    k->base.info.phys_bits = kvm_cpuid_phys_bits(&k->cpuid);
    k->base.info.tsc_invariant = kvm_cpuid_tsc_invariant(&k->cpuid);
    k->base.info.emulated = cpu_is_emulated();
    return 0;
}

/* Interrupt controllers and timer in the kernel. Before any vCPU. */
static int make_chips(const struct kvm_partition *k)
{
    struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
    __u64 identity_map = IDENTITY_MAP_GPA;

    if (ioctl(k->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0 ||
        ioctl(k->vm_fd, KVM_SET_TSS_ADDR, (unsigned long)TSS_GPA) < 0 ||
        ioctl(k->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0 || ioctl(k->vm_fd, KVM_CREATE_PIT2, &pit) < 0)
        return -errno;
    return 0;
}

/* Synthetic MSRs are ours, all others the kernel's. Before any vCPU. */
static int filter_msrs(const struct kvm_partition *k)
{
    uint8_t none_allowed[SYNTHETIC_MSRS / 8] = {0};
    struct kvm_enable_cap exits = {.cap = KVM_CAP_X86_USER_SPACE_MSR,
                                   .args = {KVM_MSR_EXIT_REASON_FILTER}};
    struct kvm_msr_filter filter = {
        .flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
        .ranges = {{.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
                    .nmsrs = SYNTHETIC_MSRS,
                    .base = SYNTHETIC_MSR_FIRST,
                    .bitmap = none_allowed}},
    };

    if ((k->base.info.caps & PARTITION_CAP_MSR_EXIT) == 0)
        return 0;
    if (ioctl(k->vm_fd, KVM_ENABLE_CAP, &exits) < 0 ||
        ioctl(k->vm_fd, KVM_X86_SET_MSR_FILTER, &filter) < 0)
        return -errno;
    return 0;
}

static void kvm_close(struct partition *p)
{
    struct kvm_partition *k = (struct kvm_partition *)p;

    for (unsigned i = 0; i < PARTITION_MAX_VCPUS; i++)
        kvm_vcpu_close(&k->vcpus[i]);
    fd_closep(&k->vm_fd);
    (void)pthread_mutex_destroy(&k->vp_irq_lock);
    free(k);
}

static int start(struct kvm_partition *k, const struct partition_config *config)
{
    int r;

    if (ioctl(config->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
        return -EOPNOTSUPP;
    r = read_capabilities(k, config->kvm_fd, config->n_vcpus);
    if (r < 0)
        return r;
    r = read_system(k, config);
    if (r < 0)
        return r;
    do {
        k->vm_fd = ioctl(config->kvm_fd, KVM_CREATE_VM, 0);
    } while (k->vm_fd < 0 && errno == EINTR);
    if (k->vm_fd < 0)
        return -errno;
    r = make_chips(k);
    return r < 0 ? r : filter_msrs(k);
}

static int kvm_open(const struct partition_config *config, struct partition **ret)
{
    struct kvm_partition *k = calloc(1, sizeof(*k));
    int r;

    if (k == NULL)
        return -ENOMEM;
    k->base.ops = &partition_kvm_ops;
    k->vm_fd = -1;
    k->pid = getpid();
    (void)pthread_mutex_init(&k->vp_irq_lock, NULL); /* cannot fail without attributes */
    for (unsigned i = 0; i < PARTITION_MAX_VCPUS; i++)
        k->vcpus[i].fd = -1;
    r = start(k, config);
    if (r < 0) {
        kvm_close(&k->base);
        return r;
    }
    *ret = &k->base;
    return 0;
}

static int kvm_memory_add(struct partition *p, unsigned slot, const struct partition_memory *m)
{
    const struct kvm_partition *k = (const struct kvm_partition *)p;
    struct kvm_userspace_memory_region region = {
        .slot = slot,
        .flags = m->writable ? 0 : KVM_MEM_READONLY,
        .guest_phys_addr = m->start,
        .memory_size = m->len,
        .userspace_addr = (uintptr_t)m->host,
    };

    return ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

static int kvm_irqfd_add(struct partition *p, uint32_t gsi, int fd)
{
    const struct kvm_partition *k = (const struct kvm_partition *)p;
    struct kvm_irqfd irqfd = {.fd = (__u32)fd, .gsi = gsi};

    return ioctl(k->vm_fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

static int kvm_doorbell_add(struct partition *p, const struct doorbell *d)
{
    const struct kvm_partition *k = (const struct kvm_partition *)p;
    struct kvm_ioeventfd bell = {
        .datamatch = d->match ? d->value : 0,
        .addr = d->addr,
        .len = d->len,
        .fd = d->fd,
        .flags = (d->match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0u) |
                 (d->space == ACCESS_IO ? KVM_IOEVENTFD_FLAG_PIO : 0u),
    };

    return ioctl(k->vm_fd, KVM_IOEVENTFD, &bell) < 0 ? -errno : 0;
}

const struct partition_ops partition_kvm_ops = {
    .open = kvm_open,
    .close = kvm_close,
    .memory_add = kvm_memory_add,
    .irqfd_add = kvm_irqfd_add,
    .doorbell_add = kvm_doorbell_add,
    .vp_irq_add = kvm_vp_irq_add,
    .vp_irq_route = kvm_vp_irq_route,
    .hypercall_page = kvm_hypercall_page,
    .vcpu_open = kvm_vcpu_open,
    .vcpu_set_boot_state = kvm_vcpu_set_boot_state,
    .vcpu_bind = kvm_vcpu_bind,
    .vcpu_run = kvm_vcpu_run,
    .vcpu_finish = kvm_vcpu_finish,
    .vcpu_finish_msr = kvm_vcpu_finish_msr,
    .vcpu_accept_msr = kvm_vcpu_accept_msr,
    .vcpu_tsc = kvm_vcpu_tsc,
    .vcpu_kick = kvm_vcpu_kick,
    .vcpu_diagnose = kvm_vcpu_diagnose,
    .vcpu_get_regs = kvm_vcpu_get_regs,
    .vcpu_set_regs = kvm_vcpu_set_regs,
    .vcpu_set_debug = kvm_vcpu_set_debug,
};
