#include "ipc/manifest.h"

#include <errno.h>
#include <string.h>

#include "base/board.h"
#include "base/num.h"
#include "ipc/audit.h"
#include "ipc/capture.h"
#include "ipc/disks.h"
#include "ipc/frames.h"
#include "ipc/inflight.h"
#include "ipc/levels.h"
#include "ipc/nets.h"
#include "ipc/port.h"
#include "ipc/records.h"
#include "ipc/remote.h"
#include "ipc/ring.h"
#include "ipc/trace.h"
#include "ipc/vmbus.h"

static const struct grant supervisor_grants[] = {
    {OBJECT_BOARD,         PROCESS_SUPERVISOR, true,  "what it shows of itself"                },
    {OBJECT_KVM,           0,                  true,  "the partition"                          },
    {OBJECT_RAM,           0,                  true,  "loads the kernel, maps it for the guest"},
    {OBJECT_KERNEL,        0,                  false, "loads it"                               },
    {OBJECT_INITRD,        0,                  false, "loads it"                               },
    {OBJECT_PORT,          PROCESS_CHIPSET,    true,  "forwards exits"                         },
    {OBJECT_PORT,          PROCESS_VTPM,       true,  "forwards exits"                         },
    {OBJECT_BELL,          PROCESS_CHIPSET,    true,  "wakes it"                               },
    {OBJECT_REGION,        PROCESS_CHIPSET,    false, "which request a dead generation was at" },
    {OBJECT_REGION,        PROCESS_VTPM,       false, "which request a dead generation was at" },
    {OBJECT_CRB_REGISTERS, 0,                  true,  "moves registers while no command runs"  },
    {OBJECT_CRB_BUFFER,    0,                  true,  "maps it for the guest, reads it never"  },
    {OBJECT_IRQ,           IRQ_COM1,           true,  "registers it with the partition"        },
    {OBJECT_IRQ,           IRQ_COM2,           true,  "registers it with the partition"        },
    {OBJECT_IRQ,           IRQ_COM3,           true,  "registers it with the partition"        },
    {OBJECT_IRQ,           IRQ_COM4,           true,  "registers it with the partition"        },
    {OBJECT_IRQ,           IRQ_RTC,            true,  "registers it with the partition"        },
    {OBJECT_PORT,          PROCESS_VMBUS,      true,  "forwards messages"                      },
    {OBJECT_PORT,          PROCESS_STORAGE,    true,  "signs of life"                          },
    {OBJECT_BELL,          PROCESS_VMBUS,      true,  "wakes it"                               },
    {OBJECT_BELL,          PROCESS_STORAGE,    true,  "wakes it; doorbells ring it"            },
    {OBJECT_PORT,          PROCESS_NET,        true,  "signs of life"                          },
    {OBJECT_BELL,          PROCESS_NET,        true,  "wakes it; doorbells ring it"            },
    {OBJECT_REGION,        PROCESS_NET,        false, "which request a dead generation was at" },
    {OBJECT_BELL,          PROCESS_SUPERVISOR, true,  "is woken for messages"                  },
    {OBJECT_REGION,        PROCESS_VMBUS,      false, "which request a dead generation was at" },
    {OBJECT_REGION,        PROCESS_STORAGE,    false, "which request a dead generation was at" },
    {OBJECT_POSTS,         0,                  true,  "the guest's messages"                   },
    {OBJECT_OUTBOX,        0,                  true,  "messages for the guest"                 },
    {OBJECT_SYNIC,         0,                  true,  "tells where event flags are"            },
    {OBJECT_NETS,          0,                  true,  "sets links and captures for operators"  },
    {OBJECT_TRACE,         PROCESS_SUPERVISOR, true,  "its part of time lines"                 },
    {OBJECT_RECORDS,       0,                  true,  "tells what happens, for operators"      },
    {OBJECT_BOARD,         PROCESS_CHIPSET,    false, "its last words"                         },
    {OBJECT_BOARD,         PROCESS_VTPM,       false, "its last words"                         },
    {OBJECT_BOARD,         PROCESS_VMBUS,      false, "its last words"                         },
    {OBJECT_BOARD,         PROCESS_STORAGE,    false, "its last words"                         },
    {OBJECT_BOARD,         PROCESS_NET,        false, "its last words"                         },
    {OBJECT_BOARD,         PROCESS_DIAG,       false, "its last words"                         },
    {OBJECT_BOARD,         PROCESS_DEBUG,      false, "its last words"                         },
    {OBJECT_LEVELS,        0,                  true,  "says how much is logged"                },
    {OBJECT_VP_IRQ,        0,                  true,  "registers it with the partition"        },
};

static const struct grant chipset_grants[] = {
    {OBJECT_BOARD,  PROCESS_CHIPSET, true,  "what it shows of itself"},
    {OBJECT_PORT,   PROCESS_CHIPSET, true,  "answers exits"          },
    {OBJECT_BELL,   PROCESS_CHIPSET, true,  "is woken while it polls"},
    {OBJECT_REGION, PROCESS_CHIPSET, true,  "its state"              },
    {OBJECT_COM,    0,               true,  "serial line"            },
    {OBJECT_COM,    1,               true,  "serial line"            },
    {OBJECT_COM,    2,               true,  "serial line"            },
    {OBJECT_COM,    3,               true,  "serial line"            },
    {OBJECT_IRQ,    IRQ_COM1,        true,  "interrupts the guest"   },
    {OBJECT_IRQ,    IRQ_COM2,        true,  "interrupts the guest"   },
    {OBJECT_IRQ,    IRQ_COM3,        true,  "interrupts the guest"   },
    {OBJECT_IRQ,    IRQ_COM4,        true,  "interrupts the guest"   },
    {OBJECT_IRQ,    IRQ_RTC,         true,  "interrupts the guest"   },
    {OBJECT_LEVELS, 0,               false, "how much it is to log"  },
};

static const struct grant vtpm_grants[] = {
    {OBJECT_BOARD,         PROCESS_VTPM, true,  "what it shows of itself"          },
    {OBJECT_PORT,          PROCESS_VTPM, true,  "answers exits"                    },
    {OBJECT_REGION,        PROCESS_VTPM, true,  "its state"                        },
    {OBJECT_CRB_REGISTERS, 0,            true,  "what the guest polls without exit"},
    {OBJECT_CRB_BUFFER,    0,            true,  "commands in, responses out"       },
    {OBJECT_TRACE,         PROCESS_VTPM, true,  "its part of time lines"           },
    {OBJECT_LEVELS,        0,            false, "how much it is to log"            },
};

static const struct grant vmbus_grants[] = {
    {OBJECT_BOARD,    PROCESS_VMBUS,      true,  "what it shows of itself"       },
    {OBJECT_PORT,     PROCESS_VMBUS,      true,  "takes messages"                },
    {OBJECT_BELL,     PROCESS_VMBUS,      true,  "is woken by acknowledgements"  },
    {OBJECT_REGION,   PROCESS_VMBUS,      true,  "its state"                     },
    {OBJECT_POSTS,    0,                  false, "the guest's messages"          },
    {OBJECT_OUTBOX,   0,                  true,  "messages for the guest"        },
    {OBJECT_BELL,     PROCESS_SUPERVISOR, true,  "has messages delivered"        },
    {OBJECT_CHANNELS, PROCESS_STORAGE,    true,  "what is to be open, and where" },
    {OBJECT_ACKS,     PROCESS_STORAGE,    false, "what storage has taken note of"},
    {OBJECT_BELL,     PROCESS_STORAGE,    true,  "wakes it for a channel"        },
    {OBJECT_CHANNELS, PROCESS_NET,        true,  "what is to be open, and where" },
    {OBJECT_ACKS,     PROCESS_NET,        false, "what net has taken note of"    },
    {OBJECT_BELL,     PROCESS_NET,        true,  "wakes it for a channel"        },
    {OBJECT_LEVELS,   0,                  false, "how much it is to log"         },
};

static const struct grant storage_grants[] = {
    {OBJECT_BOARD,    PROCESS_STORAGE, true,  "what it shows of itself"                   },
    {OBJECT_PORT,     PROCESS_STORAGE, true,  "signs of life"                             },
    {OBJECT_BELL,     PROCESS_STORAGE, true,  "is woken by the guest, completions, others"},
    {OBJECT_REGION,   PROCESS_STORAGE, true,  "state of its units"                        },
    {OBJECT_INFLIGHT, 0,               true,  "requests that are not answered"            },
    {OBJECT_RAM,      0,               true,  "rings and data of requests"                },
    {OBJECT_DISKS,    0,               false, "which disks there are"                     },
    {OBJECT_RING,     0,               true,  "reads and writes them"                     },
    {OBJECT_SYNIC,    0,               false, "where event flags are"                     },
    {OBJECT_CHANNELS, PROCESS_STORAGE, false, "what is to be open, and where"             },
    {OBJECT_ACKS,     PROCESS_STORAGE, true,  "what it has taken note of"                 },
    {OBJECT_BELL,     PROCESS_VMBUS,   true,  "wakes it for an acknowledgement"           },
    {OBJECT_TRACE,    PROCESS_STORAGE, true,  "its part of time lines"                    },
    {OBJECT_LEVELS,   0,               false, "how much it is to log"                     },
    {OBJECT_VP_IRQ,   0,               true,  "interrupts the guest"                      },
};

static const struct grant net_grants[] = {
    {OBJECT_BOARD,    PROCESS_NET,   true,  "what it shows of itself"                         },
    {OBJECT_PORT,     PROCESS_NET,   true,  "signs of life"                                   },
    {OBJECT_BELL,     PROCESS_NET,   true,  "is woken by the guest, others"                   },
    {OBJECT_REGION,   PROCESS_NET,   true,  "state of its NICs"                               },
    {OBJECT_FRAMES,   0,             true,  "which frames of the guest are done, which it has"},
    {OBJECT_RAM,      0,             true,  "rings, buffers, frames"                          },
    {OBJECT_NETS,     0,             false, "which NICs there are"                            },
    {OBJECT_NET,      0,             true,  "a NIC's frames"                                  },
    {OBJECT_NET,      1,             true,  "a NIC's frames"                                  },
    {OBJECT_NET,      2,             true,  "a NIC's frames"                                  },
    {OBJECT_NET,      3,             true,  "a NIC's frames"                                  },
    {OBJECT_SYNIC,    0,             false, "where event flags are"                           },
    {OBJECT_CHANNELS, PROCESS_NET,   false, "what is to be open, and where"                   },
    {OBJECT_ACKS,     PROCESS_NET,   true,  "what it has taken note of"                       },
    {OBJECT_BELL,     PROCESS_VMBUS, true,  "wakes it for an acknowledgement"                 },
    {OBJECT_CAPTURE,  0,             true,  "frames that operators watch"                     },
    {OBJECT_TRACE,    PROCESS_NET,   true,  "its part of time lines"                          },
    {OBJECT_LEVELS,   0,             false, "how much it is to log"                           },
    {OBJECT_VP_IRQ,   0,             true,  "interrupts the guest"                            },
};

static const struct grant debug_grants[] = {
    {OBJECT_BOARD,  PROCESS_DEBUG, true,  "what it shows of itself"          },
    {OBJECT_DEBUG,  0,             true,  "talks to whoever debugs the guest"},
    {OBJECT_RAM,    0,             true,  "reads and changes it for them"    },
    {OBJECT_LEVELS, 0,             false, "how much it is to log"            },
};

/* The operators' socket stands before all that comes with each new process: the filter names it. */
static const struct grant diag_grants[] = {
    {OBJECT_BOARD,    PROCESS_DIAG,       true,  "what it shows of itself"                      },
    {OBJECT_OPERATOR, 0,                  true,  "accepts operators"                            },
    {OBJECT_REMOTE,   0,                  true,  "accepts operators who come over the network"  },
    {OBJECT_BOARD,    PROCESS_INIT,       false, "shows it to operators"                        },
    {OBJECT_BOARD,    PROCESS_SUPERVISOR, false, "shows it to operators"                        },
    {OBJECT_BOARD,    PROCESS_CHIPSET,    false, "shows it to operators"                        },
    {OBJECT_BOARD,    PROCESS_VTPM,       false, "shows it to operators"                        },
    {OBJECT_BOARD,    PROCESS_VMBUS,      false, "shows it to operators"                        },
    {OBJECT_BOARD,    PROCESS_STORAGE,    false, "shows it to operators"                        },
    {OBJECT_BOARD,    PROCESS_NET,        false, "shows it to operators"                        },
    {OBJECT_CAPTURE,  0,                  false, "shows it to operators"                        },
    {OBJECT_RECORDS,  0,                  false, "shows them to operators"                      },
    {OBJECT_TLS,      0,                  false, "shows them a certificate, and knows theirs"   },
    {OBJECT_AUDIT,    0,                  true,  "keeps in mind who did what"                   },
    {OBJECT_REVOKED,  0,                  true,  "keeps in mind whose certificates were revoked"},
    {OBJECT_TRACE,    PROCESS_SUPERVISOR, false, "shows them to operators"                      },
    {OBJECT_TRACE,    PROCESS_VTPM,       false, "shows them to operators"                      },
    {OBJECT_TRACE,    PROCESS_STORAGE,    false, "shows them to operators"                      },
    {OBJECT_TRACE,    PROCESS_NET,        false, "shows them to operators"                      },
    {OBJECT_BOARD,    PROCESS_DEBUG,      false, "shows it to operators"                        },
    {OBJECT_DEBUG,    1,                  true,  "hands on what the debug worker says"          },
    {OBJECT_LEVELS,   0,                  false, "how much it is to log"                        },
};

/* clang-format 14 shifts every row of this for a new one, and dies of the result. */
/* clang-format off */
const struct process_row manifest[PROCESS_COUNT] = {
    [PROCESS_INIT] = {
        .name = "init",
    },
    [PROCESS_SUPERVISOR] = {
        .name = "supervisor",
        .program = "bulkhead-supervisor",
        .uid = 64001,
        .grants = supervisor_grants,
        .n_grants = COUNT_OF(supervisor_grants),
    },
    [PROCESS_CHIPSET] = {
        .name = "chipset",
        .program = "bulkhead-chipset",
        .uid = 64002,
        .threads = 1,
        .memory_max = 16u << 20,
        .deadline_ms = 1000,
        .has_port = true,
        .grants = chipset_grants,
        .n_grants = COUNT_OF(chipset_grants),
    },
    [PROCESS_VTPM] = {
        .name = "vtpm",
        .program = "bulkhead-vtpm",
        .uid = 64003,
        .threads = 2,
        .memory_max = 32u << 20,
        .deadline_ms = 5000,
        .has_port = true,
        .grants = vtpm_grants,
        .n_grants = COUNT_OF(vtpm_grants),
    },
    [PROCESS_VMBUS] = {
        .name = "vmbus",
        .program = "bulkhead-vmbus",
        .uid = 64005,
        .threads = 1,
        .memory_max = 16u << 20,
        .deadline_ms = 1000,
        .has_port = true,
        .grants = vmbus_grants,
        .n_grants = COUNT_OF(vmbus_grants),
    },
    [PROCESS_STORAGE] = {
        .name = "storage",
        .program = "bulkhead-storage",
        .uid = 64006,
        .threads = 1 + RING_THREADS + 1, /* and of the kernel */
        .memory_max = 64u << 20,
        .deadline_ms = 1000,
        .has_port = true,
        .grants = storage_grants,
        .n_grants = COUNT_OF(storage_grants),
    },
    [PROCESS_NET] = {
        .name = "net",
        .program = "bulkhead-net",
        .uid = 64007,
        .threads = 1,
        .memory_max = 32u << 20,
        .deadline_ms = 1000,
        .has_port = true,
        .leaves = true,
        .grants = net_grants,
        .n_grants = COUNT_OF(net_grants),
    },
    [PROCESS_DIAG] = {
        .name = "diag",
        .program = "bulkhead-diag",
        .remote_program = "bulkhead-diag-remote",
        .uid = 64004,
        .threads = 1,
        .memory_max = 32u << 20,
        .grants = diag_grants,
        .n_grants = COUNT_OF(diag_grants),
    },
    [PROCESS_DEBUG] = {
        .name = "debug",
        .program = "bulkhead-debug",
        .uid = 64008,
        .threads = 1,
        .memory_max = 16u << 20,
        .grants = debug_grants,
        .n_grants = COUNT_OF(debug_grants),
    },
};
/* clang-format on */

static size_t whole_pages(size_t bytes)
{
    return (size_t)u64_align_up(bytes, 4096);
}

size_t manifest_object_bytes(enum object_kind kind, unsigned index)
{
    switch (kind) {
    case OBJECT_BOARD:
        return BOARD_BYTES;
    case OBJECT_PORT:
        return PORT_BYTES;
    case OBJECT_REGION:
        return index == PROCESS_VTPM      ? REGION_VTPM_BYTES
               : index == PROCESS_STORAGE ? REGION_STORAGE_BYTES
                                          : REGION_CHIPSET_BYTES;
    case OBJECT_CRB_REGISTERS:
        return CRB_REGISTERS_BYTES;
    case OBJECT_CRB_BUFFER:
        return CRB_BUFFER_BYTES;
    case OBJECT_POSTS:
        return VPS_MAX * sizeof(struct vmbus_post);
    case OBJECT_OUTBOX:
        return sizeof(struct vmbus_outbox);
    case OBJECT_SYNIC:
        return whole_pages(sizeof(struct vmbus_synic));
    case OBJECT_CHANNELS:
        return whole_pages(sizeof(struct vmbus_channels));
    case OBJECT_ACKS:
        return whole_pages(sizeof(struct vmbus_acks));
    case OBJECT_DISKS:
        return whole_pages(sizeof(struct disks_page));
    case OBJECT_INFLIGHT:
        return whole_pages(sizeof(struct inflight_page));
    case OBJECT_NETS:
        return whole_pages(sizeof(struct nets_page));
    case OBJECT_FRAMES:
        return whole_pages(sizeof(struct frames_page));
    case OBJECT_CAPTURE:
        return whole_pages(sizeof(struct capture_page));
    case OBJECT_TLS:
        return whole_pages(sizeof(struct tls_page));
    case OBJECT_LEVELS:
        return whole_pages(sizeof(struct levels_page));
    case OBJECT_REVOKED:
        return whole_pages(sizeof(struct revoked_page));
    case OBJECT_AUDIT:
        return whole_pages(sizeof(struct audit_page));
    case OBJECT_TRACE:
        return whole_pages(trace_rings((enum process)index) * sizeof(struct trace_ring));
    case OBJECT_RECORDS:
        return whole_pages(sizeof(struct records_page));
    case OBJECT_NET:
    case OBJECT_BELL:
    case OBJECT_IRQ:
    case OBJECT_VP_IRQ:
    case OBJECT_RING:
    case OBJECT_COM:
    case OBJECT_RAM:
    case OBJECT_KVM:
    case OBJECT_KERNEL:
    case OBJECT_INITRD:
    case OBJECT_DEBUG:
    case OBJECT_OPERATOR:
    case OBJECT_REMOTE:
        break;
    }
    return 0;
}

int manifest_fd(enum process process, enum object_kind kind, unsigned index)
{
    const struct process_row *row = &manifest[process];

    for (size_t i = 0; i < row->n_grants; i++) {
        const struct grant *g = &row->grants[i];

        if (g->kind == kind && kind == OBJECT_VP_IRQ && index < VPS_MAX)
            return FD_FIRST_GRANT + (int)(i + index);
        if (g->kind == kind && g->index == index)
            return FD_FIRST_GRANT + (int)i;
    }
    return -ENOENT;
}

unsigned manifest_n_fds(enum process process, unsigned vcpus)
{
    const struct process_row *row = &manifest[process];
    unsigned n = (unsigned)row->n_grants;

    if (n > 0 && row->grants[n - 1].kind == OBJECT_VP_IRQ)
        n += vcpus - 1;
    return n;
}

struct grant manifest_grant(enum process process, unsigned i)
{
    const struct process_row *row = &manifest[process];
    unsigned last = (unsigned)row->n_grants - 1;
    struct grant g = row->grants[i < last ? i : last];

    if (i > last)
        g.index = i - last;
    return g;
}

const char *manifest_program(enum process process, bool remote)
{
    const struct process_row *row = &manifest[process];

    return remote && row->remote_program != NULL ? row->remote_program : row->program;
}

int manifest_find(const char *name)
{
    for (int i = 0; i < PROCESS_COUNT; i++) {
        if (strcmp(manifest[i].name, name) == 0)
            return i;
    }
    return -ENOENT;
}
