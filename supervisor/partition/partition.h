/*
 * supervisor/partition/partition.h - the guest's virtual machine, whatever runs it.
 *
 * The only interface between the supervisor and a backend. What a backend may lack is a bit in
 * partition_info.caps; whoever uses such a call has a fallback. The supervisor never edits the
 * instruction pointer: it hands the result of an exit to vcpu_finish().
 *
 * Order: partition_open, memory, irqfds and doorbells, vcpu_open for each index from 0 up,
 * vcpu_set_boot_state for vCPU 0; then the threads: vcpu_bind once, vcpu_run and vcpu_finish for
 * ever. All but the calls on a bound vCPU belong to the thread that sets up, and all descriptors
 * and mappings are made there: see run-time system calls below.
 *
 * Run-time system calls, for the supervisor's filter (kvm backend):
 *   ioctl KVM_RUN (0xae80)   vcpu_run, vcpu_diagnose: on the vCPU descriptors only
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
#include <stdint.h>

#include "base/gmem.h"
#include "base/macro.h"

struct partition;
struct vcpu;

enum {
    PARTITION_MAX_VCPUS = 64,
    VCPU_KICK_SIGNAL = SIGUSR1, /* partition_open installs an empty handler for it */
};

/* What a backend can do besides running vCPUs. */
enum partition_cap {
    PARTITION_CAP_DOORBELL = 1u << 0,         /* partition_doorbell_add works */
    PARTITION_CAP_IRQFD = 1u << 1,            /* partition_irqfd_add works */
    PARTITION_CAP_READONLY_MEM = 1u << 2,     /* device memory that is read without an exit */
    PARTITION_CAP_LAPIC_IN_BACKEND = 1u << 3, /* SIPI, IPIs, timer, HLT and EOI make no exits */
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
    unsigned phys_bits; /* of a guest physical address */
    unsigned n_vcpus;
};

enum exit_kind {
    EXIT_ACCESS,   /* port I/O or MMIO: answer with vcpu_finish */
    EXIT_HALT,     /* HLT; only without PARTITION_CAP_LAPIC_IN_BACKEND */
    EXIT_SHUTDOWN, /* triple fault: the vCPU cannot go on */
    EXIT_CANCELED, /* vcpu_kick, or another signal: look at your flags and run again */
    EXIT_FATAL,    /* the backend cannot run this vCPU any more */
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
        struct vm_access access; /* EXIT_ACCESS */
        struct vm_fatal fatal;   /* EXIT_FATAL */
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

/*
 * Run until something is for the supervisor. Every outcome, failures included, is an exit.
 * After EXIT_ACCESS the next call on this vCPU is vcpu_finish. A string instruction, or an access
 * of an odd size, comes as one exit after the other; the guest goes on after the last.
 */
void vcpu_run(struct vcpu *v, struct vm_exit *ret);

/* Answer an EXIT_ACCESS: of a read the low size bytes of data; of a write data is not used. */
void vcpu_finish(struct vcpu *v, uint64_t data);

/*
 * Make the current vcpu_run, or the next one, come back soon with EXIT_CANCELED (an access may be
 * handed out before that). From any thread, and from a signal handler; never blocks. Set the flag
 * that says why first.
 */
void vcpu_kick(struct vcpu *v);

/*
 * Read where the vCPU is, after EXIT_SHUTDOWN, EXIT_FATAL or EXIT_CANCELED. One vcpu_run after it
 * may come back with EXIT_CANCELED for no other reason.
 * -EOPNOTSUPP when the backend does not know (encrypted state, too old), or -EIO; *ret untouched.
 * (kvm on AMD: a triple fault has already put the vCPU into its INIT state, rip 0xfff0.)
 */
int MUST_USE vcpu_diagnose(struct vcpu *v, struct vcpu_diagnosis *ret);
