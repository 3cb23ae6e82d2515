#include "ipc/manifest.h"

#include <errno.h>
#include <string.h>

#include "base/board.h"
#include "ipc/port.h"

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
};

static const struct grant chipset_grants[] = {
    {OBJECT_BOARD,  PROCESS_CHIPSET, true, "what it shows of itself"},
    {OBJECT_PORT,   PROCESS_CHIPSET, true, "answers exits"          },
    {OBJECT_BELL,   PROCESS_CHIPSET, true, "is woken while it polls"},
    {OBJECT_REGION, PROCESS_CHIPSET, true, "its state"              },
    {OBJECT_COM,    0,               true, "serial line"            },
    {OBJECT_COM,    1,               true, "serial line"            },
    {OBJECT_COM,    2,               true, "serial line"            },
    {OBJECT_COM,    3,               true, "serial line"            },
    {OBJECT_IRQ,    IRQ_COM1,        true, "interrupts the guest"   },
    {OBJECT_IRQ,    IRQ_COM2,        true, "interrupts the guest"   },
    {OBJECT_IRQ,    IRQ_COM3,        true, "interrupts the guest"   },
    {OBJECT_IRQ,    IRQ_COM4,        true, "interrupts the guest"   },
    {OBJECT_IRQ,    IRQ_RTC,         true, "interrupts the guest"   },
};

static const struct grant vtpm_grants[] = {
    {OBJECT_BOARD,         PROCESS_VTPM, true, "what it shows of itself"          },
    {OBJECT_PORT,          PROCESS_VTPM, true, "answers exits"                    },
    {OBJECT_REGION,        PROCESS_VTPM, true, "its state"                        },
    {OBJECT_CRB_REGISTERS, 0,            true, "what the guest polls without exit"},
    {OBJECT_CRB_BUFFER,    0,            true, "commands in, responses out"       },
};

/* The operators' socket stands before all that comes with each new process: the filter names it. */
static const struct grant diag_grants[] = {
    {OBJECT_BOARD,    PROCESS_DIAG,       true,  "what it shows of itself"},
    {OBJECT_OPERATOR, 0,                  true,  "accepts operators"      },
    {OBJECT_BOARD,    PROCESS_INIT,       false, "shows it to operators"  },
    {OBJECT_BOARD,    PROCESS_SUPERVISOR, false, "shows it to operators"  },
    {OBJECT_BOARD,    PROCESS_CHIPSET,    false, "shows it to operators"  },
    {OBJECT_BOARD,    PROCESS_VTPM,       false, "shows it to operators"  },
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
    [PROCESS_DIAG] = {
        .name = "diag",
        .program = "bulkhead-diag",
        .uid = 64004,
        .threads = 1,
        .memory_max = 32u << 20,
        .grants = diag_grants,
        .n_grants = COUNT_OF(diag_grants),
    },
};
/* clang-format on */

size_t manifest_object_bytes(enum object_kind kind, unsigned index)
{
    switch (kind) {
    case OBJECT_BOARD:
        return BOARD_BYTES;
    case OBJECT_PORT:
        return PORT_BYTES;
    case OBJECT_REGION:
        return index == PROCESS_VTPM ? REGION_VTPM_BYTES : REGION_CHIPSET_BYTES;
    case OBJECT_CRB_REGISTERS:
        return CRB_REGISTERS_BYTES;
    case OBJECT_CRB_BUFFER:
        return CRB_BUFFER_BYTES;
    case OBJECT_BELL:
    case OBJECT_IRQ:
    case OBJECT_COM:
    case OBJECT_RAM:
    case OBJECT_KVM:
    case OBJECT_KERNEL:
    case OBJECT_INITRD:
    case OBJECT_OPERATOR:
        break;
    }
    return 0;
}

int manifest_fd(enum process process, enum object_kind kind, unsigned index)
{
    const struct process_row *row = &manifest[process];

    for (size_t i = 0; i < row->n_grants; i++) {
        if (row->grants[i].kind == kind && row->grants[i].index == index)
            return FD_FIRST_GRANT + (int)i;
    }
    return -ENOENT;
}

int manifest_find(const char *name)
{
    for (int i = 0; i < PROCESS_COUNT; i++) {
        if (strcmp(manifest[i].name, name) == 0)
            return i;
    }
    return -ENOENT;
}
