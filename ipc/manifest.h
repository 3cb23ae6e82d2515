/*
 * ipc/manifest.h - least privilege as data: which processes exist and what each is given.
 *
 * init makes the objects and hands them out; the supervisor and the workers find their
 * descriptors by the same rows. Descriptor 3 is always the control channel; grants follow from 4
 * in the order of the row. What is not in a row, a process does not have.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum process {
    PROCESS_INIT,
    PROCESS_SUPERVISOR,
    PROCESS_CHIPSET,
    PROCESS_VTPM,
    PROCESS_VMBUS,
    PROCESS_STORAGE,
    PROCESS_NET,
    PROCESS_DIAG,
    PROCESS_DEBUG,
    PROCESS_COUNT,
};

enum {
    FD_CONTROL = 3,
    FD_FIRST_GRANT = 4,
    MANIFEST_MAX_GRANTS = 48, /* rows */
    COM_COUNT = 4,
    VPS_MAX = 64,
    MANIFEST_MAX_FDS = FD_FIRST_GRANT + MANIFEST_MAX_GRANTS + VPS_MAX,
    START_DEADLINE_MS = 30 * 1000, /* of a generation: emulated CPUs are slow */
};

/* Interrupt lines: one eventfd each, from the worker that owns it to the partition. */
enum irq_line {
    IRQ_COM1,
    IRQ_COM2,
    IRQ_COM3,
    IRQ_COM4,
    IRQ_RTC,
    IRQ_LINE_COUNT,
};

enum object_kind {
    OBJECT_BOARD,         /* index: enum process */
    OBJECT_PORT,          /* index: enum process, a worker with a port */
    OBJECT_BELL,          /* index: enum process; eventfd that wakes a worker that polls */
    OBJECT_REGION,        /* index: enum process, a worker with a region */
    OBJECT_CRB_REGISTERS, /* struct crb_shared: registers the guest reads */
    OBJECT_CRB_BUFFER,    /* shared page: command and response */
    OBJECT_IRQ,           /* index: enum irq_line */
    OBJECT_COM,           /* index: 0 to COM_COUNT - 1; a byte stream, both directions */
    OBJECT_VP_IRQ,   /* index: vCPU; eventfd that raises its VMBus interrupt. One row, the last of
                             its process, grants those of all vCPUs there are. */
    OBJECT_POSTS,    /* struct vmbus_post per vCPU */
    OBJECT_OUTBOX,   /* struct vmbus_outbox */
    OBJECT_SYNIC,    /* struct vmbus_synic */
    OBJECT_CHANNELS, /* index: enum process, behind channels; struct vmbus_channels */
    OBJECT_ACKS,     /* index: enum process, behind channels; struct vmbus_acks */
    OBJECT_DISKS,    /* struct disks_page */
    OBJECT_INFLIGHT, /* the storage worker's log of requests that are not answered */
    OBJECT_RING,     /* io_uring with the disks as fixed files */
    OBJECT_FRAMES,   /* struct frames_page: the net worker's log */
    OBJECT_NETS,     /* struct nets_page */
    OBJECT_CAPTURE,  /* struct capture_page */
    OBJECT_RECORDS,  /* struct records_page */
    OBJECT_TRACE,    /* index: enum process; struct trace_ring, as many as trace_rings() says */
    OBJECT_NET,      /* index: 0 to NETS_MAX - 1; what a NIC's frames come from and go to */
    OBJECT_RAM,      /* the guest's memory */
    OBJECT_KVM,      /* /dev/kvm */
    OBJECT_KERNEL,   /* the guest's kernel image, read-only */
    OBJECT_INITRD,   /* the guest's initrd, read-only; /dev/null when there is none */
    OBJECT_DEBUG,    /* index: 0, debug's end; 1, diag's. SEQPACKET: ipc/debug_stream.h */
    OBJECT_OPERATOR, /* listening socket for operators */
    OBJECT_REMOTE, /* the same, for those who come over the network; /dev/null when there are none */
    OBJECT_TLS,    /* struct tls_page */
    OBJECT_AUDIT,  /* struct audit_page */
    OBJECT_REVOKED, /* struct revoked_page */
    OBJECT_LEVELS,  /* struct levels_page */
};

struct grant {
    enum object_kind kind;
    unsigned index;
    bool writable; /* false: a descriptor opened read-only */
    const char *reason;
};

struct process_row {
    const char *name;           /* as operators say it */
    const char *program;        /* file name in the programs' folder; NULL: not spawned */
    const char *remote_program; /* in a VM with operators over the network; NULL: the same */
    uint32_t uid;               /* and gid; 0 only for init */
    unsigned threads;           /* for RLIMIT_NPROC; 0: as many as vCPUs and two */
    uint64_t memory_max;        /* bytes, besides shared memory; 0: none */
    unsigned deadline_ms;       /* for one forwarded access */
    bool has_port;
    bool leaves; /* replaced, it ends of itself when a death would lose nothing */
    const struct grant *grants;
    size_t n_grants;
};

/* One row per enum process, in that order. */
extern const struct process_row manifest[PROCESS_COUNT];

enum {
    REGION_CHIPSET_BYTES = 64 * 1024, /* and of all that have no row here */
    REGION_VTPM_BYTES = 1024 * 1024,
    REGION_STORAGE_BYTES = 256 * 1024,
    CRB_REGISTERS_BYTES = 6 * 4096, /* five localities, and a page that no guest sees */
    CRB_BUFFER_BYTES = 4096,
};

/* Bytes of a shared-memory object; 0 for objects that are not made of memory of a fixed size. */
size_t manifest_object_bytes(enum object_kind kind, unsigned index);

/* The descriptor number at which process finds an object, or -ENOENT. */
int MUST_USE manifest_fd(enum process process, enum object_kind kind, unsigned index);

/* How many descriptors process is granted, with so many vCPUs, and what the i-th one is. */
unsigned manifest_n_fds(enum process process, unsigned vcpus);
struct grant manifest_grant(enum process process, unsigned i);

/* The program of a process, in a VM with or without operators over the network. NULL: not spawned. */
const char *manifest_program(enum process process, bool remote);

/* The process of that name, or -ENOENT. */
int MUST_USE manifest_find(const char *name);
