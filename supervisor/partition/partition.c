#include "supervisor/partition/partition.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "supervisor/partition/partition_ops.h"

enum {
    VECTOR_FIRST = 16, /* those below are exceptions */
};

static const uint32_t HYPERVISOR_LEAF_FIRST = 0x40000000;
static const uint32_t HYPERVISOR_LEAF_LAST = 0x4fffffff;

static void on_kick(int signal)
{
    (void)signal; /* its only effect is to interrupt the run call */
}

static int install_kick_handler(void)
{
    struct sigaction action = {.sa_handler = on_kick}; /* no SA_RESTART: EINTR is the point */

    return sigaction(VCPU_KICK_SIGNAL, &action, NULL) < 0 ? -errno : 0;
}

int partition_open(const struct partition_config *config, struct partition **ret)
{
    int r;

    if (config->n_vcpus == 0 || config->n_vcpus > PARTITION_MAX_VCPUS)
        return -EINVAL;
    r = install_kick_handler();
    if (r < 0)
        return r;
    switch (config->backend) {
    case PARTITION_KVM:
        return partition_kvm_ops.open(config, ret);
    }
    return -EINVAL;
}

void partition_close(struct partition *p)
{
    if (p != NULL)
        p->ops->close(p);
}

const struct partition_info *partition_info(const struct partition *p)
{
    return &p->info;
}

int partition_set_hypervisor_leaves(struct partition *p, const struct cpuid_leaf *leaves, size_t n)
{
    if (n > PARTITION_MAX_LEAVES)
        return -ENOBUFS;
    for (size_t i = 0; i < n; i++) {
        if (leaves[i].leaf < HYPERVISOR_LEAF_FIRST || leaves[i].leaf > HYPERVISOR_LEAF_LAST)
            return -EINVAL;
    }
    if (n > 0)
        memcpy(p->leaves, leaves, n * sizeof(*leaves));
    p->n_leaves = n;
    return 0;
}

static bool page_aligned(uint64_t v)
{
    return v % PARTITION_PAGE_BYTES == 0;
}

static int check_memory(const struct partition *p, const struct partition_memory *m)
{
    uint64_t end;

    if (m->len == 0 || m->host == NULL || !page_aligned(m->start) || !page_aligned(m->len) ||
        !page_aligned((uintptr_t)m->host))
        return -EINVAL;
    if (u64_add(m->start, m->len, &end) < 0 || end > UINT64_C(1) << p->info.phys_bits)
        return -ERANGE;
    for (unsigned i = 0; i < p->n_memory; i++) {
        if (range_overlap(m->start, m->len, p->memory[i].start, p->memory[i].len))
            return -EINVAL;
    }
    if (!m->writable && (p->info.caps & PARTITION_CAP_READONLY_MEM) == 0)
        return -EOPNOTSUPP;
    if (p->n_memory == PARTITION_MAX_MEMORY)
        return -ENOBUFS;
    return 0;
}

static int memory_add(struct partition *p, const struct partition_memory *m)
{
    int r = check_memory(p, m);

    if (r == 0)
        r = p->ops->memory_add(p, p->n_memory, m);
    if (r < 0)
        return r;
    p->memory[p->n_memory++] = *m;
    return 0;
}

int partition_ram_add(struct partition *p, struct gpa start, uint64_t len, void *host,
                      bool writable)
{
    struct partition_memory m = {.start = start.v, .len = len, .host = host, .writable = writable};

    return memory_add(p, &m);
}

/* The same as RAM for kvm; another backend may have to treat the two differently. */
int partition_device_memory_add(struct partition *p, struct gpa start, uint64_t len, void *host,
                                bool guest_writable)
{
    struct partition_memory m = {
        .start = start.v, .len = len, .host = host, .writable = guest_writable};

    return memory_add(p, &m);
}

int partition_irqfd_add(struct partition *p, uint32_t gsi, int fd)
{
    if ((p->info.caps & PARTITION_CAP_IRQFD) == 0)
        return -EOPNOTSUPP;
    return p->ops->irqfd_add(p, gsi, fd);
}

int partition_vp_irq_add(struct partition *p, unsigned vp, int fd)
{
    if ((p->info.caps & PARTITION_CAP_VP_IRQ) == 0)
        return -EOPNOTSUPP;
    return vp < p->info.n_vcpus ? p->ops->vp_irq_add(p, vp, fd) : -EINVAL;
}

int partition_vp_irq_route(struct partition *p, unsigned vp, uint8_t vector)
{
    if ((p->info.caps & PARTITION_CAP_VP_IRQ) == 0)
        return -EOPNOTSUPP;
    if (vp >= p->info.n_vcpus || (vector != 0 && vector < VECTOR_FIRST))
        return -EINVAL;
    return p->ops->vp_irq_route(p, vp, vector);
}

void partition_hypercall_page(const struct partition *p, bool long_mode,
                              uint8_t bytes[HYPERCALL_PAGE_BYTES])
{
    p->ops->hypercall_page(p, long_mode, bytes);
}

int partition_doorbell_add(struct partition *p, const struct doorbell *d)
{
    bool power_of_two = (d->len & (d->len - 1)) == 0;

    if ((p->info.caps & PARTITION_CAP_DOORBELL) == 0)
        return -EOPNOTSUPP;
    if (d->len > 8 || !power_of_two || (d->len == 0 && d->match))
        return -EINVAL;
    return p->ops->doorbell_add(p, d);
}

int vcpu_open(struct partition *p, unsigned index, struct vcpu **ret)
{
    int r;

    if (index != p->n_open || index >= p->info.n_vcpus)
        return -EINVAL;
    r = p->ops->vcpu_open(p, index, ret);
    if (r < 0)
        return r;
    p->n_open++;
    return 0;
}

int vcpu_set_boot_state(struct vcpu *v, const struct boot_regs *regs)
{
    assert(v->index == 0);
    return v->partition->ops->vcpu_set_boot_state(v, regs);
}

int vcpu_bind(struct vcpu *v)
{
    return v->partition->ops->vcpu_bind(v);
}

void vcpu_run(struct vcpu *v, struct vm_exit *ret)
{
    v->partition->ops->vcpu_run(v, ret);
}

void vcpu_finish(struct vcpu *v, uint64_t data)
{
    v->partition->ops->vcpu_finish(v, data);
}

void vcpu_finish_msr(struct vcpu *v, uint64_t data, bool fault)
{
    v->partition->ops->vcpu_finish_msr(v, data, fault);
}

int vcpu_accept_msr(struct vcpu *v, bool *ret_long_mode)
{
    return v->partition->ops->vcpu_accept_msr(v, ret_long_mode);
}

uint64_t vcpu_tsc(const struct vcpu *v)
{
    return v->partition->ops->vcpu_tsc(v);
}

void vcpu_kick(struct vcpu *v)
{
    v->partition->ops->vcpu_kick(v);
}

int vcpu_diagnose(struct vcpu *v, struct vcpu_diagnosis *ret)
{
    return v->partition->ops->vcpu_diagnose(v, ret);
}

int vcpu_get_regs(struct vcpu *v, struct guest_regs *ret)
{
    return v->partition->ops->vcpu_get_regs(v, ret);
}

int vcpu_set_regs(struct vcpu *v, const struct guest_regs *regs)
{
    return v->partition->ops->vcpu_set_regs(v, regs);
}

int vcpu_set_debug(struct vcpu *v, const struct guest_break *breaks, unsigned n, bool step)
{
    assert(n <= GUEST_BREAKS_MAX);
    if ((v->partition->info.caps & PARTITION_CAP_DEBUG) == 0)
        return -EOPNOTSUPP;
    return v->partition->ops->vcpu_set_debug(v, breaks, n, step);
}
