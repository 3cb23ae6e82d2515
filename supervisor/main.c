/*
 * supervisor/main.c - wiring: a partition with its memory, devices and vCPUs under the supervisor.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/shm.h"
#include "supervisor/boot/load.h"
#include "supervisor/super.h"
#include "supervisor/vcpu/vcpu_thread.h"

static const uint32_t irq_gsi[IRQ_LINE_COUNT] = {
    [IRQ_COM1] = 4, [IRQ_COM2] = 3, [IRQ_COM3] = 5, [IRQ_COM4] = 7, [IRQ_RTC] = 8};

struct machine {
    struct super super;
    struct super_config config;
    struct partition *partition;
    struct memory_map map;
    struct gmem memory;
    struct vcpu_thread threads[PARTITION_MAX_VCPUS];
    struct start_gate gate;
};

static int fd_of(enum object_kind kind, unsigned index)
{
    return manifest_fd(PROCESS_SUPERVISOR, kind, index);
}

static int add_ram(struct machine *m)
{
    uint8_t *host;
    void *at;
    int r = memory_map_make(m->config.memory_bytes, &m->map);

    if (r == 0)
        r = shm_map(fd_of(OBJECT_RAM, 0), m->config.memory_bytes, true, &at);
    if (r < 0)
        return r;
    host = at;
    for (unsigned i = 0; r == 0 && i < m->map.n_ram; i++) {
        const struct memory_range *range = &m->map.ram[i];
        const struct gpa start = {range->start};

        r = gmem_add(&m->memory, start, range->len, host);
        if (r == 0)
            r = partition_ram_add(m->partition, start, range->len, host, true);
        host += range->len;
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

    return boot_load(&m->memory, &m->map, &boot, ret);
}

static int make_partition(struct machine *m)
{
    const struct partition_config config = {
        .backend = PARTITION_KVM, .kvm_fd = fd_of(OBJECT_KVM, 0), .n_vcpus = m->config.vcpus};
    int r = partition_open(&config, &m->partition);

    if (r == 0)
        r = add_ram(m);
    if (r == 0)
        r = add_tpm_registers(m);
    if (r == 0)
        r = add_tpm_buffer(m);
    return r < 0 ? r : add_interrupts(m);
}

static int build(struct machine *m)
{
    struct boot_regs boot;
    int r = make_partition(m);

    if (r < 0)
        return super_fail(&m->super, "cannot make the partition: %s", strerror(-r));
    r = load_guest(m, &boot);
    if (r < 0)
        return super_fail(&m->super, "%s", boot_error_text(r));
    for (unsigned i = 0; r == 0 && i < m->config.vcpus; i++)
        r = start_vcpu(m, i, &boot);
    if (r < 0)
        return super_fail(&m->super, "cannot make the vCPUs: %s", strerror(-r));
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

    m.super.all_running = let_guest_run;
    m.super.self = &m;
    if (super_set_up(&m.super, argc, argv) < 0 || super_await_config(&m.super, &m.config) < 0)
        return super_fail(&m.super, "the supervisor was not given what it needs");
    if (build(&m) != 0)
        return 1;
    return super_run(&m.super);
}
