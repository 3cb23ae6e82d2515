/*
 * supervisor/partition/partition.h - the guest's virtual machine, whatever runs it.
 *
 * The only interface between the supervisor and a backend. What a backend may lack is a bit in
 * partition_info.caps; whoever uses such a call has a fallback. The supervisor never edits the
 * instruction pointer: it hands the result of an exit to vcpu_finish().
 *
 * Order: partition_open, CPUID leaves, memory, irqfds and doorbells, vcpu_open for each index from 0
 * up, vcpu_set_boot_state for vCPU 0; then the threads: vcpu_bind once, vcpu_run and vcpu_finish for
 * ever. All but the calls on a bound vCPU, and partition_vp_irq_route, belong to the thread that
 * sets up, and all descriptors and mappings are made there: see run-time system calls below.
 *
 * Run-time system calls, for the supervisor's filter (kvm backend):
 *   ioctl KVM_RUN (0xae80)   vcpu_run, vcpu_get_regs, vcpu_diagnose, vcpu_accept_msr: on the vCPU descriptors only
 *   ioctl KVM_SET_GUEST_DEBUG (0x4048ae9b)   vcpu_set_debug: on the vCPU descriptors only
 *   ioctl KVM_SET_GSI_ROUTING (0x4008ae6a)   partition_vp_irq_route: on the VM's descriptor only
 *   futex                    the lock of partition_vp_irq_route
 *   gettid                   vcpu_bind, unless it is called before the filter
 *   tgkill                   vcpu_kick, with VCPU_KICK_SIGNAL
 *   rt_sigreturn             return from the (empty) handler of VCPU_KICK_SIGNAL
 * Nothing else: an exit is read, and answered, in the mapping shared with the kernel. What setting
 * up needs is in README.md.
 * partition_close, after the run, also needs munmap and close; a process that exits needs no close.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/gmem.h"
#include "base/macro.h"
#include "ipc/guest_regs.h"

struct partition;
struct vcpu;

enum {
    PARTITION_MAX_VCPUS = 64,
    VCPU_KICK_SIGNAL = SIGUSR1, /* partition_open installs an empty handler for it */
    PARTITION_MAX_LEAVES = 32,
    /* Where the hypercall page's code writes 4 bytes, the connection id, for the commonest call: a
     * signal of the plainest form. A doorbell takes it; without one it is an EXIT_ACCESS. */
    PARTITION_SIGNAL_PORT = 0xe0,
    HYPERCALL_PAGE_BYTES = 4096,
};

/* What a backend can do besides running vCPUs. */
enum partition_cap {
    PARTITION_CAP_DOORBELL = 1u << 0,         /* partition_doorbell_add works */
    PARTITION_CAP_IRQFD = 1u << 1,            /* partition_irqfd_add works */
    PARTITION_CAP_READONLY_MEM = 1u << 2,     /* device memory that is read without an exit */
    PARTITION_CAP_LAPIC_IN_BACKEND = 1u << 3, /* SIPI, IPIs, timer, HLT and EOI make no exits */
    PARTITION_CAP_MSR_EXIT = 1u << 4,         /* MSRs from 0x40000000 to 0x400001ff exit */
    PARTITION_CAP_HYPERCALL = 1u << 5,        /* hypercalls exit */
    PARTITION_CAP_VP_IRQ = 1u << 6,           /* partition_vp_irq_add and _route work */
    PARTITION_CAP_DEBUG = 1u << 7,            /* vcpu_set_debug works */
};

enum partition_backend {
    PARTITION_KVM,
};

struct partition_config {
    enum partition_backend backend;
    int kvm_fd;       /* PARTITION_KVM: /dev/kvm; borrowed, not needed after partition_open */
    unsigned n_vcpus; /* 1 to PARTITION_MAX_VCPUS */
};

struct partition_info {
    uint32_t caps;      /* mask of enum partition_cap */
    uint32_t tsc_khz;   /* of the guest; 0: not known, or vCPU 0 is not open yet */
    bool tsc_invariant; /* it runs at one rate, whatever the processor does */
    unsigned phys_bits; /* of a guest physical address */
    unsigned n_vcpus;
    bool emulated; /* the processor is QEMU's: debug registers stop no guest on it */
};

enum exit_kind {
    EXIT_ACCESS,    /* port I/O or MMIO: answer with vcpu_finish */
    EXIT_MSR,       /* a synthetic MSR: answer with vcpu_finish_msr */
    EXIT_HYPERCALL, /* answer with vcpu_finish */
    EXIT_HALT,      /* HLT; only without PARTITION_CAP_LAPIC_IN_BACKEND */
    EXIT_SHUTDOWN,  /* triple fault: the vCPU cannot go on */
    EXIT_CANCELED,  /* vcpu_kick, or another signal: look at your flags and run again */
    EXIT_DEBUG,     /* what vcpu_set_debug asked for */
    EXIT_FATAL,     /* the backend cannot run this vCPU any more */
};

/* The numbers are those of enum port_space. */
enum access_space {
    ACCESS_IO = 0,
    ACCESS_MMIO = 1,
};

struct vm_access {
    enum access_space space;
    bool write;
    uint8_t size;  /* bytes: 1, 2, 4 or 8 (8 only for MMIO); addr may be unaligned */
    uint64_t addr; /* port number or guest physical address */
    uint64_t data; /* of a write: the low size bytes, the others 0 */
};

struct vm_msr {
    uint32_t index;
    bool write;
    uint64_t data; /* of a write */
};

/* The registers of a hypercall, by their meaning. */
struct vm_hypercall {
    uint64_t control;
    uint64_t input;  /* an address, or the first eight bytes of input */
    uint64_t output; /* an address, or the next eight */
    bool privileged; /* by code at CPL 0 in protected mode */
    bool long_mode;  /* by 64-bit code */
};

/* Which of the breaks of vcpu_set_debug it came upon; all bits 0: it has made one step. */
struct vm_debug {
    uint32_t breaks; /* mask of their numbers */
};

enum fatal_reason {
    FATAL_ENTRY,    /* the processor refused to enter the guest; info: hardware's reason */
    FATAL_INTERNAL, /* the backend gave up, an instruction it cannot emulate first of all;
                       info: its suberror */
    FATAL_UNKNOWN,  /* an exit this backend never asked for; info: its number */
    FATAL_ERRNO,    /* the run call failed; info: errno */
};

struct vm_fatal {
    enum fatal_reason reason;
    uint64_t info;
};

struct vm_exit {
    enum exit_kind kind;
    union {
        struct vm_access access;       /* EXIT_ACCESS */
        struct vm_msr msr;             /* EXIT_MSR */
        struct vm_hypercall hypercall; /* EXIT_HYPERCALL */
        struct vm_debug debug;         /* EXIT_DEBUG */
        struct vm_fatal fatal;         /* EXIT_FATAL */
    };
};

/* A guest write that becomes an eventfd. */
struct doorbell {
    enum access_space space;
    uint64_t addr;
    uint8_t len;    /* bytes: 1, 2, 4 or 8; 0: any, then match must be false */
    bool match;     /* only writes of value ring */
    uint64_t value; /* when match */
    int fd;         /* borrowed eventfd */
};

/* What a vCPU's CPUID says of one leaf, whatever the subleaf. */
struct cpuid_leaf {
    uint32_t leaf;
    uint32_t eax, ebx, ecx, edx;
};

/* How vCPU 0 starts: 64-bit mode, paging on, flat segments, interrupts off. Others wait for SIPI. */
struct boot_regs {
    uint64_t rip;
    uint64_t rsi; /* Linux: its zero page */
    uint64_t rsp;
    uint64_t cr3;
    uint64_t gdt;       /* guest physical, identity-mapped */
    uint16_t gdt_limit; /* bytes - 1 */
    uint16_t cs;        /* selectors */
    uint16_t ds;        /* also es, fs, gs, ss */
    uint16_t tr;
};

/* Where a vCPU is, for the log line of a triple fault. Guest data: never log it where the host
 * may read it, unless the configuration allows it. */
struct vcpu_diagnosis {
    uint64_t rip, rsp, rflags;
    uint64_t cr0, cr2, cr3, cr4, efer;
};

/*
 * Make a partition with no memory and no vCPUs.
 *   0            *ret is owned by the caller: partition_close
 *   -EINVAL      n_vcpus
 *   -EOPNOTSUPP  the backend is too old, or allows fewer vCPUs
 *   -ENOMEM, or what the kernel said
 */
int MUST_USE partition_open(const struct partition_config *config, struct partition **ret);

/* Close it with all its vCPUs; their threads must have ended. NULL is fine. */
void partition_close(struct partition *p);

/* Borrowed; constant from vcpu_open of vCPU 0 on. */
const struct partition_info *partition_info(const struct partition *p);

/*
 * What the hypervisor's range of CPUID (0x40000000 to 0x4fffffff) is to say on every vCPU, and
 * nothing else in it: without this call the range is the backend's. Copied. Before any vCPU.
 * -ENOBUFS for more than PARTITION_MAX_LEAVES, -EINVAL for a leaf outside the range.
 */
int MUST_USE partition_set_hypervisor_leaves(struct partition *p, const struct cpuid_leaf *leaves,
                                             size_t n);

/*
 * Give the guest RAM at start: len bytes at host, borrowed until partition_close. Writes to RAM
 * that is not writable exit as accesses.
 *   -EINVAL      not page-aligned, empty, or overlapping
 *   -ERANGE      beyond phys_bits
 *   -EOPNOTSUPP  not writable, and the backend has no PARTITION_CAP_READONLY_MEM
 *   -ENOBUFS     too many ranges
 */
int MUST_USE partition_ram_add(struct partition *p, struct gpa start, uint64_t len, void *host,
                               bool writable);

/*
 * Give the guest a device's memory: it reads host without an exit. Its writes go to host too
 * (guest_writable), or exit as MMIO accesses. Errors as partition_ram_add; after -EOPNOTSUPP do
 * not map it: then all accesses exit.
 */
int MUST_USE partition_device_memory_add(struct partition *p, struct gpa start, uint64_t len,
                                         void *host, bool guest_writable);

/*
 * A write to the eventfd (borrowed: the backend holds its own reference) raises an edge on gsi, an
 * I/O APIC pin. -EOPNOTSUPP without PARTITION_CAP_IRQFD.
 */
int MUST_USE partition_irqfd_add(struct partition *p, uint32_t gsi, int fd);

/*
 * A write to the eventfd (borrowed: the backend holds its own reference) interrupts vCPU vp with
 * the vector that partition_vp_irq_route() gave it; before that it is lost. -EOPNOTSUPP without
 * PARTITION_CAP_VP_IRQ.
 */
int MUST_USE partition_vp_irq_add(struct partition *p, unsigned vp, int fd);

/* Give vp's interrupt a vector, from 16 up; 0: none. Any thread, at any time. */
int MUST_USE partition_vp_irq_route(struct partition *p, unsigned vp, uint8_t vector);

/*
 * The code that a guest calls for a hypercall, in 64-bit mode or in 32-bit mode. Position-independent;
 * the calling convention is TLFS 3.
 */
void partition_hypercall_page(const struct partition *p, bool long_mode,
                              uint8_t bytes[HYPERCALL_PAGE_BYTES]);

/* -EOPNOTSUPP without PARTITION_CAP_DOORBELL, -EEXIST when taken, -EINVAL. */
int MUST_USE partition_doorbell_add(struct partition *p, const struct doorbell *d);

/*
 * Make vCPU index: the next one, from 0 up. 0 and *ret, owned by the partition; -EINVAL for
 * another index; or what the kernel said.
 */
int MUST_USE vcpu_open(struct partition *p, unsigned index, struct vcpu **ret);

/* Set where vCPU 0 starts. Before its first run. */
int MUST_USE vcpu_set_boot_state(struct vcpu *v, const struct boot_regs *regs);

/*
 * Bind to the calling thread, the only one that may call vcpu_run, vcpu_finish and vcpu_diagnose
 * from now on. VCPU_KICK_SIGNAL must not be blocked in it.
 */
int MUST_USE vcpu_bind(struct vcpu *v);

/* What the vCPU's RDTSC would read now. Any thread. */
uint64_t vcpu_tsc(const struct vcpu *v);

/*
 * Run until something is for the supervisor. Every outcome, failures included, is an exit.
 * After EXIT_ACCESS, EXIT_MSR and EXIT_HYPERCALL the next call on this vCPU answers it. A string instruction, or an access
 * of an odd size, comes as one exit after the other; the guest goes on after the last.
 */
void vcpu_run(struct vcpu *v, struct vm_exit *ret);

/*
 * Answer an EXIT_ACCESS: of a read the low size bytes of data; of a write data is not used. Or an
 * EXIT_HYPERCALL: with its result.
 */
void vcpu_finish(struct vcpu *v, uint64_t data);

/* Answer an EXIT_MSR: a read with data; with fault the guest gets a general protection fault. */
void vcpu_finish_msr(struct vcpu *v, uint64_t data, bool fault);

/*
 * For the few writes whose effect depends on the mode: the write of this EXIT_MSR is accepted,
 * and *ret says whether it was made by 64-bit code. vcpu_finish_msr without fault is to follow.
 * -EIO when the backend cannot tell; it is accepted nevertheless.
 */
int MUST_USE vcpu_accept_msr(struct vcpu *v, bool *ret_long_mode);

/*
 * Make the current vcpu_run, or the next one, come back soon with EXIT_CANCELED (an access may be
 * handed out before that). From any thread, and from a signal handler; never blocks. Set the flag
 * that says why first.
 */
void vcpu_kick(struct vcpu *v);

/*
 * Read where the vCPU is, after EXIT_SHUTDOWN, EXIT_FATAL or EXIT_CANCELED.
 * -EOPNOTSUPP when the backend does not know (encrypted state, too old), or -EIO; *ret untouched.
 * (kvm on AMD: a triple fault has already put the vCPU into its INIT state, rip 0xfff0.)
 */
int MUST_USE vcpu_diagnose(struct vcpu *v, struct vcpu_diagnosis *ret);

/*
 * Read the registers after EXIT_CANCELED or EXIT_DEBUG. -EOPNOTSUPP when the backend does not know, or -EIO;
 * *ret untouched.
 */
int MUST_USE vcpu_get_regs(struct vcpu *v, struct guest_regs *ret);

/* After vcpu_get_regs(), and no run since: the guest goes on with these, as far as GUEST_WRITABLE. -EIO. */
int MUST_USE vcpu_set_regs(struct vcpu *v, const struct guest_regs *regs);

/*
 * Exit when the vCPU comes upon one of n breaks, at most GUEST_BREAKS_MAX and each one that fits; and after one
 * instruction, with step. The guest's own debug registers rest meanwhile. -EOPNOTSUPP without PARTITION_CAP_DEBUG, or
 * what the kernel said.
 */
int MUST_USE vcpu_set_debug(struct vcpu *v, const struct guest_break *breaks, unsigned n,
                            bool step);
