/*
 * Virtual processor n's interrupt is the kernel's interrupt number 24 + n, behind the pins of the
 * I/O APIC: an irqfd on it, and a route to a message that interrupts that processor.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "supervisor/partition/kvm.h"

enum {
    PIC_PINS = 8,
    PICS_PINS = 16, /* of both */
    IOAPIC_PINS = 24,
    VP_GSI_FIRST = IOAPIC_PINS,
    ROUTES = PICS_PINS + IOAPIC_PINS + PARTITION_MAX_VCPUS,
};

static const uint32_t MSI_ADDRESS =
    0xfee00000; /* physical destination; fixed, edge: data is a vector */

/* The layout of a struct kvm_irq_routing with its entries. */
struct routes {
    uint32_t n;
    uint32_t flags;
    struct kvm_irq_routing_entry entries[ROUTES];
};
_Static_assert(offsetof(struct routes, entries) == sizeof(struct kvm_irq_routing), "layout");

static void add_pin(struct routes *t, uint32_t gsi, uint32_t chip, uint32_t pin)
{
    t->entries[t->n++] = (struct kvm_irq_routing_entry){
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_IRQCHIP,
        .u.irqchip = {.irqchip = chip, .pin = pin},
    };
}

/* What the kernel routes from the start: a table that is set replaces all of it. */
static void add_chips(struct routes *t)
{
    for (uint32_t i = 0; i < PICS_PINS; i++)
        add_pin(t, i, i < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, i % PIC_PINS);
    for (uint32_t i = 0; i < IOAPIC_PINS; i++)
        add_pin(t, i, KVM_IRQCHIP_IOAPIC, i);
}

static void add_vps(struct routes *t, const struct kvm_partition *k)
{
    for (unsigned vp = 0; vp < k->base.info.n_vcpus; vp++) {
        if (k->vp_vectors[vp] == 0)
            continue;
        t->entries[t->n++] = (struct kvm_irq_routing_entry){
            .gsi = VP_GSI_FIRST + vp,
            .type = KVM_IRQ_ROUTING_MSI,
            .u.msi = {.address_lo = MSI_ADDRESS | vp << 12, .data = k->vp_vectors[vp]},
        };
    }
}

static int set_routes(const struct kvm_partition *k)
{
    struct routes t = {0};

    add_chips(&t);
    add_vps(&t, k);
    return ioctl(k->vm_fd, KVM_SET_GSI_ROUTING, &t) < 0 ? -errno : 0;
}

int kvm_vp_irq_add(struct partition *p, unsigned vp, int fd)
{
    const struct kvm_partition *k = (const struct kvm_partition *)p;
    struct kvm_irqfd irqfd = {.fd = (__u32)fd, .gsi = VP_GSI_FIRST + vp};

    return ioctl(k->vm_fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

int kvm_vp_irq_route(struct partition *p, unsigned vp, uint8_t vector)
{
    struct kvm_partition *k = (struct kvm_partition *)p;
    uint8_t before;
    int r = 0;

    (void)pthread_mutex_lock(&k->vp_irq_lock);
    before = k->vp_vectors[vp];
    if (before != vector) {
        k->vp_vectors[vp] = vector;
        r = set_routes(k);
        if (r < 0)
            k->vp_vectors[vp] = before;
    }
    (void)pthread_mutex_unlock(&k->vp_irq_lock);
    return r;
}
