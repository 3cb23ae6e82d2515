#include "cli/launch.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/payload.h"
#include "cli/payload_disks.h"
#include "ipc/remote.h"

enum {
    DISK_ARGUMENTS = 6, /* of one file */
    DISK_TEXT_BYTES = 384,
    NET_ARGUMENTS = 4,
    REMOTE_ARGUMENTS = 4,
    MAX_ARGUMENTS =
        64 + REMOTE_ARGUMENTS + DISK_ARGUMENTS * DISKS_NESTED_FILES + NET_ARGUMENTS * NETS_MAX,
    TEXT_BYTES = 2560 + 3 * PATH_MAX + DISK_TEXT_BYTES * DISKS_NESTED_FILES,
    /* PCI slots of the outer VM, eight functions each. Below are those of the machine itself. */
    DISK_FIRST_SLOT = 8,
    SLOT_FUNCTIONS = 8,
};
_Static_assert(DISK_FIRST_SLOT + DISKS_NESTED_FILES / SLOT_FUNCTIONS <= 32, "slots of a bus");
_Static_assert((int)DISKS_NESTED_FILES + NETS_MAX + 1 <= (int)CHILD_EXTRA_MAX,
               "each is handed down");

/* An argument vector whose texts are made on the way. */
struct arguments {
    char *at[MAX_ARGUMENTS + 1];
    unsigned n;
    char text[TEXT_BYTES];
    size_t used;
    int err; /* 0 or -ENOBUFS; sticky */
};

static void add(struct arguments *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add(struct arguments *a, const char *fmt, ...)
{
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(a->text + a->used, TEXT_BYTES - a->used, fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= TEXT_BYTES - a->used || a->n == MAX_ARGUMENTS) {
        a->err = -ENOBUFS;
        return;
    }
    a->at[a->n++] = a->text + a->used;
    a->used += (size_t)len + 1;
}

/* init takes them by their place: descriptor CHILD_FD_EXTRA + i is NIC i's. */
static int launch_hosted(const struct cli_args *args, const struct run_plan *plan,
                         const struct net_ends *nets, struct child *ret)
{
    char program[PATH_MAX + 32];
    static char mode[] = "hosted";
    char *argv[] = {program, mode, NULL};
    struct child_extra extra = {.n = 0};
    AUTO_FD config = -1;
    int r = payload_hosted(args, plan, &config);

    if (r < 0)
        return r;
    for (size_t i = 0; i < nets->n; i++)
        extra.at[extra.n++] = nets->at[i].fd;
    if (plan->remote.wanted)
        extra.at[extra.n++] = plan->remote.listener;
    (void)snprintf(program, sizeof(program), "%s/bulkhead-init", plan->programs);
    return child_start(argv, config, true, &extra, ret);
}

/*
 * For the kernel below Bulkhead, on an emulated CPU: no self-tests of its ciphers, no waiting for
 * grace periods (namespaces of workers come and go), nothing against leaks between speculating
 * threads, of which there are none.
 */
static const char outer_append[] =
    "console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable "
    "audit=0 cryptomgr.notests rcupdate.rcu_expedited=1";

/* Each stream is a named port of one virtio console: /dev/vportNpM in the outer VM. */
static void add_ports(struct arguments *a)
{
    static const char *const names[STREAM_COUNT] = {
        [STREAM_REPORT] = "bulkhead.report", [STREAM_COM1] = "bulkhead.com1",
        [STREAM_COM2] = "bulkhead.com2",     [STREAM_COM3] = "bulkhead.com3",
        [STREAM_COM4] = "bulkhead.com4",     [STREAM_VTL2] = "bulkhead.vtl2",
    };

    add(a, "-device");
    add(a, "virtio-serial-pci,max_ports=%d", STREAM_COUNT + 1);
    for (int i = 0; i < STREAM_COUNT; i++) {
        add(a, "-chardev");
        add(a, "socket,id=s%d,fd=%d", i, CHILD_FD_STREAMS + i);
        add(a, "-device");
        add(a, "virtserialport,chardev=s%d,name=%s", i, names[i]);
    }
}

/* The guest's vCPUs stay off the first (init/first_cpu.h); the device processes run there, too. */
static unsigned outer_cpus(const struct cli_args *args)
{
    return (unsigned)args->vcpus + 1;
}

static void add_machine(struct arguments *a, const struct cli_args *args)
{
    add(a, "-no-user-config");
    add(a, "-nodefaults");
    add(a, "-display");
    add(a, "none");
    add(a, "-no-reboot");
    add(a, "-machine");
    add(a, "pc,hpet=off");
    add(a, "-accel");
    add(a, "tcg,thread=multi");
    add(a, "-cpu");
    /* "off": what TCG cannot do, or does wrongly for a nested guest (xsave). */
    add(a,
        "EPYC,xsave=off,svm=on,rdseed=off,sha-ni=off,fxsr-opt=off,misalignsse=off,3dnowprefetch=off,"
        "osvw=off,topoext=off,nrip-save=off,xsavec=off");
    add(a, "-smp");
    add(a, "%u", outer_cpus(args));
    add(a, "-m");
    add(a, "%llu", (unsigned long long)((args->memory_bytes >> 20) + NESTED_HEADROOM_MIB));
    add(a, "-chardev");
    add(a, "stdio,id=log,signal=off");
    add(a, "-serial");
    add(a, "chardev:log");
}

/*
 * An image is a virtio disk of the outer VM, known there by its serial number. QEMU gets it open and
 * locked. What the guest flushes goes through to the host's storage: QEMU passes flushes on, and
 * nothing in the outer VM caches.
 */
static void add_image(struct arguments *a, const struct disk_plan *p, uint32_t member,
                      struct child_extra *extra)
{
    unsigned n = extra->n;
    const char *driver = p->is_device[member] ? "host_device" : "file";

    extra->at[extra->n++] = p->fds[member];
    add(a, "-add-fd");
    add(a, "set=%u,fd=%u", n, CHILD_FD_EXTRA + n);
    add(a, "-blockdev");
    add(a,
        "driver=raw,node-name=disk%u,read-only=%s,discard=unmap,detect-zeroes=off,"
        "file.driver=%s,file.filename=/dev/fdset/%u,file.locking=off,file.discard=unmap",
        n, p->read_only ? "on" : "off", driver, n);
    add(a, "-device");
    add(a,
        "virtio-blk-pci,drive=disk%u,serial=" NESTED_SERIAL
        ",addr=0x%x.%u,multifunction=on,rerror=report,werror=report",
        n, n, DISK_FIRST_SLOT + n / SLOT_FUNCTIONS, n % SLOT_FUNCTIONS);
}

static void add_images(struct arguments *a, const struct disks_plan *plan,
                       struct child_extra *extra)
{
    for (size_t i = 0; i < plan->n; i++) {
        for (uint32_t member = 0; member < plan->at[i].n_files; member++)
            add_image(a, &plan->at[i], member, extra);
    }
}

/* What QEMU calls each kind, with the descriptor after it; NULL: nothing is behind it. */
static const char *netdev_of(enum net_kind kind)
{
    switch (kind) {
    case NET_STREAM:
        return "stream,server=off,addr.type=fd,addr.str=";
    case NET_TAP:
        return "tap,vhost=off,fd=";
    case NET_DATAGRAM:
        return "dgram,local.type=fd,local.str=";
    case NET_NONE:
    case NET_DISCARD:
        break;
    }
    return NULL;
}

/* A NIC of the guest has a card of the outer VM behind it, with its address. */
static void add_net(struct arguments *a, const struct net_end *net, size_t i,
                    struct child_extra *extra)
{
    const uint8_t *mac = net->plan->mac;
    const char *netdev = netdev_of(net->plan->kind);

    if (netdev == NULL)
        return;
    add(a, "-netdev");
    add(a, "%s%u,id=net%zu", netdev, CHILD_FD_EXTRA + extra->n, i);
    add(a, "-device");
    add(a, "virtio-net-pci,netdev=net%zu,mac=%02x:%02x:%02x:%02x:%02x:%02x,host_mtu=%u,romfile=", i,
        mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], net->plan->mtu);
    extra->at[extra->n++] = net->fd;
}

static void add_nets(struct arguments *a, const struct net_ends *nets, struct child_extra *extra)
{
    for (size_t i = 0; i < nets->n; i++)
        add_net(a, &nets->at[i], i, extra);
}

/* Operators reach the outer VM by a card of its own. */
static void add_remote(struct arguments *a, const struct remote_plan *p)
{
    static const uint8_t mac[] = REMOTE_MAC;
    bool v6 = p->family == REMOTE_V6;

    if (!p->wanted)
        return;
    add(a, "-netdev");
    add(a, "user,id=operators,restrict=on,hostfwd=tcp:%s%s%s:%u-" REMOTE_ADDRESS ":%u",
        v6 ? "[" : "", p->address, v6 ? "]" : "", p->port, p->port);
    add(a, "-device");
    add(a, "virtio-net-pci,netdev=operators,mac=%02x:%02x:%02x:%02x:%02x:%02x,romfile=", mac[0],
        mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void add_outer(struct arguments *a, const struct cli_args *args, const struct run_plan *plan)
{
    add(a, "%s", plan->qemu);
    add_machine(a, args);
    add(a, "-kernel");
    add(a, "%s", plan->vtl2_kernel);
    add(a, "-initrd");
    add(a, "/proc/self/fd/%d", CHILD_FD_MEMORY);
    add(a, "-append");
    add(a, "%s", outer_append);
    add_ports(a);
}

static int launch_nested(const struct cli_args *args, const struct run_plan *plan,
                         const struct net_ends *nets, struct child *ret)
{
    AUTO_FREE struct arguments *a = calloc(1, sizeof(*a));
    struct child_extra extra = {.n = 0};
    AUTO_FD initramfs = -1;
    int r;

    if (a == NULL)
        return -ENOMEM;
    r = payload_nested(args, plan, &initramfs);
    if (r < 0)
        return r;
    add_outer(a, args, plan);
    add_images(a, &plan->disks, &extra);
    add_nets(a, nets, &extra);
    add_remote(a, &plan->remote);
    if (a->err < 0)
        return a->err;
    return child_start(a->at, initramfs, false, &extra, ret);
}

int launch(const struct cli_args *args, const struct run_plan *plan, const struct net_ends *nets,
           struct child *ret)
{
    return plan->mode == RUN_HOSTED ? launch_hosted(args, plan, nets, ret)
                                    : launch_nested(args, plan, nets, ret);
}
