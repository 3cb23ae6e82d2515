/*
 * supervisor/main.c - wiring: a partition with its memory, devices and vCPUs under the supervisor.
 */
#include <errno.h>
#include <string.h>

#include "base/shm.h"
#include "supervisor/boot/load.h"
#include "supervisor/hyperv/cpuid.h"
#include "supervisor/super.h"
#include "supervisor/vcpu/vcpu_thread.h"

static const uint32_t irq_gsi[IRQ_LINE_COUNT] = {
    [IRQ_COM1] = 4, [IRQ_COM2] = 3, [IRQ_COM3] = 5, [IRQ_COM4] = 7, [IRQ_RTC] = 8};

struct machine {
    struct super super;
    struct super_config config;
    struct partition *partition;
    struct memory_map map;
    struct vcpu_thread threads[PARTITION_MAX_VCPUS];
    struct start_gate gate;
};

static int fd_of(enum object_kind kind, unsigned index)
{
    return manifest_fd(PROCESS_SUPERVISOR, kind, index);
}

static int add_ram(struct machine *m)
{
    const struct gmem *memory = &m->super.vm.memory;
    int r = 0;

    for (unsigned i = 0; r == 0 && i < memory->n_ranges; i++) {
        const struct gmem_range *range = &memory->ranges[i];
        const struct gpa start = {range->start};

        r = partition_ram_add(m->partition, start, range->len, range->host, true);
    }
    return r;
}

static int add_tpm_registers(struct machine *m)
{
    const struct gpa start = {CRB_ADDR};
    struct crb_shared *shared = m->super.vm.crb.shared;
    int r = partition_device_memory_add(m->partition, start, sizeof(shared->registers),
                                        shared->registers, false);

    return r == -EOPNOTSUPP ? 0 : r; /* then reads of registers are forwarded */
}

static int add_tpm_buffer(struct machine *m)
{
    const struct gpa start = {CRB_BUFFER_ADDR};
    void *host;
    int r = shm_map(fd_of(OBJECT_CRB_BUFFER, 0), CRB_BUFFER_BYTES, true, &host);

    return r < 0 ? r
                 : partition_device_memory_add(m->partition, start, CRB_BUFFER_BYTES, host, true);
}

static int add_interrupts(struct machine *m)
{
    int r = 0;

    for (unsigned line = 0; r == 0 && line < IRQ_LINE_COUNT; line++)
        r = partition_irqfd_add(m->partition, irq_gsi[line], fd_of(OBJECT_IRQ, line));
    return r;
}

/* --- Hyper-V's surface --- */

static const struct {
    uint32_t cap;
    const char *what;
} hyperv_needs[] = {
    {PARTITION_CAP_MSR_EXIT,  "MSR exits to user space (Linux 5.10)"                  },
    {PARTITION_CAP_HYPERCALL, "registers in the memory it shares with us (Linux 4.17)"},
    {PARTITION_CAP_VP_IRQ,    "interrupts by eventfd (irqfd)"                         },
};

/* What the host lacks to give the guest Hyper-V's surface; NULL: nothing. */
static const char *hyperv_lacks(const struct machine *m)
{
    for (size_t i = 0; i < COUNT_OF(hyperv_needs); i++) {
        if ((partition_info(m->partition)->caps & hyperv_needs[i].cap) == 0)
            return hyperv_needs[i].what;
    }
    return NULL;
}

static int add_leaves(struct machine *m)
{
    struct cpuid_leaf leaves[PARTITION_MAX_LEAVES];
    size_t n = hv_cpuid_leaves(partition_info(m->partition)->tsc_invariant, leaves);

    return partition_set_hypervisor_leaves(m->partition, leaves, n);
}

static int add_vp_interrupts(struct machine *m)
{
    int r = 0;

    for (unsigned vp = 0; r == 0 && vp < m->config.vcpus; vp++)
        r = partition_vp_irq_add(m->partition, vp, fd_of(OBJECT_VP_IRQ, vp));
    return r;
}

/* Every channel's, from the start: a relid never means another channel. Without them signals exit. */
static int add_doorbells(struct machine *m)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < VMBUS_CHANNELS; i++) {
        const struct vmbus_device *device = &vmbus_devices[vmbus_device_of(i)];
        struct doorbell bell = {
            .space = ACCESS_IO, .addr = PARTITION_SIGNAL_PORT, .len = 4, .match = true};

        if (device->name == NULL)
            continue;
        bell.value = VMBUS_CONNECTION | (i + 1);
        bell.fd = fd_of(OBJECT_BELL, device->process);
        r = partition_doorbell_add(m->partition, &bell);
    }
    return r == -EOPNOTSUPP ? 0 : r;
}

static int route_vp(void *self, unsigned vp, uint8_t vector)
{
    struct machine *m = self;

    return partition_vp_irq_route(m->partition, vp, vector);
}

static bool vp_long_mode(void *self, unsigned vp)
{
    struct machine *m = self;
    bool long_mode = true;

    (void)!vcpu_accept_msr(m->threads[vp].vcpu, &long_mode);
    return long_mode;
}

static void fill_hypercall_page(void *self, bool long_mode, uint8_t bytes[HV_PAGE_BYTES])
{
    const struct machine *m = self;

    partition_hypercall_page(m->partition, long_mode, bytes);
}

static uint64_t vp_tsc(void *self, unsigned vp)
{
    const struct machine *m = self;

    return vcpu_tsc(m->threads[vp].vcpu);
}

static int start_hyperv(struct machine *m)
{
    const struct partition_info *info = partition_info(m->partition);
    const struct super_guest guest = {
        .backend = {.route = route_vp,
                    .long_mode = vp_long_mode,
                    .hypercall_page = fill_hypercall_page,
                    .tsc = vp_tsc,
                    .self = m},
        .tsc_khz = info->tsc_khz,
        .tsc_invariant = info->tsc_invariant,
    };

    return super_start_hyperv(&m->super, &m->config, &guest);
}

/* --- vCPUs --- */

static void kick_vcpu(void *self, unsigned vcpu)
{
    struct machine *m = self;

    vcpu_kick(m->threads[vcpu].vcpu);
}

static int start_vcpu(struct machine *m, unsigned index, const struct boot_regs *boot)
{
    struct vcpu_thread *t = &m->threads[index];
    int r = vcpu_open(m->partition, index, &t->vcpu);

    if (r == 0 && index == 0)
        r = vcpu_set_boot_state(t->vcpu, boot);
    if (r < 0)
        return r;
    t->vm = &m->super.vm;
    t->gate = &m->gate;
    t->index = index;
    return vcpu_thread_start(t);
}

static int load_guest(struct machine *m, struct boot_regs *ret)
{
    const struct boot_config boot = {
        .kernel_fd = fd_of(OBJECT_KERNEL, 0),
        .initrd_fd = m->config.has_initrd ? fd_of(OBJECT_INITRD, 0) : -1,
        .append = m->config.append,
        .n_vcpus = m->config.vcpus,
    };

    return boot_load(&m->super.vm.memory, &m->map, &boot, ret);
}

static int make_partition(struct machine *m)
{
    const struct partition_config config = {
        .backend = PARTITION_KVM, .kvm_fd = fd_of(OBJECT_KVM, 0), .n_vcpus = m->config.vcpus};
    int r = partition_open(&config, &m->partition);

    if (r < 0)
        return r;
    if (hyperv_lacks(m) != NULL)
        return -EOPNOTSUPP;
    r = add_ram(m);
    if (r == 0)
        r = add_tpm_registers(m);
    if (r == 0)
        r = add_tpm_buffer(m);
    if (r == 0)
        r = add_interrupts(m);
    if (r == 0)
        r = add_leaves(m);
    if (r == 0)
        r = add_vp_interrupts(m);
    return r < 0 ? r : add_doorbells(m);
}

static int build(struct machine *m)
{
    struct boot_regs boot;
    int r = memory_map_make(m->config.memory_bytes, &m->map);

    if (r < 0)
        return super_fail(&m->super, "%s", boot_error_text(r));
    r = make_partition(m);
    if (r < 0 && m->partition != NULL && hyperv_lacks(m) != NULL)
        return super_fail(&m->super, "the host's kernel lacks %s", hyperv_lacks(m));
    if (r < 0)
        return super_fail(&m->super, "cannot make the partition: %s", strerror(-r));
    r = load_guest(m, &boot);
    if (r < 0)
        return super_fail(&m->super, "%s", boot_error_text(r));
    for (unsigned i = 0; r == 0 && i < m->config.vcpus; i++)
        r = start_vcpu(m, i, &boot);
    m->super.vm.traps = partition_info(m->partition)->emulated;
    m->super.vm.hold.kick = kick_vcpu;
    m->super.vm.hold.self = m;
    m->super.vm.hold.n_vcpus = r == 0 ? m->config.vcpus : 0;
    if (r < 0)
        return super_fail(&m->super, "cannot make the vCPUs: %s", strerror(-r));
    r = start_hyperv(m);
    if (r < 0)
        return super_fail(&m->super, "cannot start Hyper-V's interface: %s", strerror(-r));
    start_gate_await(&m->gate, m->config.vcpus);
    return 0;
}

static void let_guest_run(void *self)
{
    struct machine *m = self;

    start_gate_open(&m->gate);
}

int main(int argc, char **argv)
{
    static struct machine m = {.gate = START_GATE_INIT};
    int r;

    m.super.all_running = let_guest_run;
    m.super.self = &m;
    r = super_set_up(&m.super, argc, argv);
    if (r == 0)
        r = super_await_config(&m.super, &m.config);
    if (r < 0)
        return super_fail(&m.super, "the supervisor was not given what it needs: %s", strerror(-r));
    if (build(&m) != 0)
        return 1;
    return super_run(&m.super);
}
