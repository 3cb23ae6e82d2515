/*
 * supervisor/route_map.c - the guest's address map of devices, the most used rows first.
 *
 * What a worker's answer may do to the partition is in its row, never in its message.
 */
#include "base/macro.h"
#include "supervisor/route.h"

enum {
    NO_EFFECT = 0,
    POWER_EFFECTS = 1 << PORT_EFFECT_POWER_OFF | 1 << PORT_EFFECT_RESET,
    RESET_EFFECT = 1 << PORT_EFFECT_RESET,
    PANIC_EFFECT = 1 << PORT_EFFECT_PANIC,
};

const struct route_row route_map[] = {
    {PORT_SPACE_IO,   0x3f8,      8,      PROCESS_CHIPSET, NO_EFFECT,     FRONT_NONE, "COM1"             },
    {PORT_SPACE_IO,   0x2f8,      8,      PROCESS_CHIPSET, NO_EFFECT,     FRONT_NONE, "COM2"             },
    {PORT_SPACE_IO,   0x3e8,      8,      PROCESS_CHIPSET, NO_EFFECT,     FRONT_NONE, "COM3"             },
    {PORT_SPACE_IO,   0x2e8,      8,      PROCESS_CHIPSET, NO_EFFECT,     FRONT_NONE, "COM4"             },
    {PORT_SPACE_MMIO, 0xfed40000, 0x5000, PROCESS_VTPM,    NO_EFFECT,     FRONT_CRB,  "TPM CRB"          },
    {PORT_SPACE_IO,   0x600,      0x10,   PROCESS_CHIPSET, POWER_EFFECTS, FRONT_NONE, "ACPI PM block"    },
    {PORT_SPACE_IO,   0x70,       2,      PROCESS_CHIPSET, NO_EFFECT,     FRONT_NONE, "CMOS RTC"         },
    {PORT_SPACE_IO,   0x64,       1,      PROCESS_CHIPSET, RESET_EFFECT,  FRONT_NONE, "i8042 command"    },
    {PORT_SPACE_IO,   0x60,       1,      PROCESS_CHIPSET, NO_EFFECT,     FRONT_NONE, "i8042 data"       },
    {PORT_SPACE_IO,   0xcf8,      8,      PROCESS_CHIPSET, RESET_EFFECT,  FRONT_NONE, "PCI configuration"},
    {PORT_SPACE_IO,   0x505,      1,      PROCESS_CHIPSET, PANIC_EFFECT,  FRONT_NONE, "pvpanic"          },
};

const size_t route_map_rows = COUNT_OF(route_map);
