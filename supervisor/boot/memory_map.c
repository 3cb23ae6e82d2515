#include "supervisor/boot/memory_map.h"

#include <errno.h>

/* Where the backend may put pages of its own; see supervisor/partition/kvm.c. */
static const uint64_t BACKEND_START = 0xfffbc000;
static const uint64_t BACKEND_BYTES = 0x4000;

static void add_ram(struct memory_map *m, uint64_t start, uint64_t len)
{
    m->ram[m->n_ram++] = (struct memory_range){.start = start, .len = len};
}

static void add_entry(struct memory_map *m, uint64_t start, uint64_t end, enum e820_kind kind)
{
    m->entries[m->n_entries++] = (struct memory_entry){
        .range = {.start = start, .len = end - start},
          .kind = kind
    };
}

int memory_map_make(uint64_t ram_bytes, struct memory_map *ret)
{
    uint64_t low = ram_bytes < RAM_LOW_END ? ram_bytes : RAM_LOW_END;
    uint64_t high = ram_bytes - low;
    struct memory_map m = {0};

    if (ram_bytes < RAM_MIN_BYTES || ram_bytes > RAM_MAX_BYTES)
        return -ERANGE;
    if (ram_bytes % RAM_UNIT_BYTES != 0)
        return -EINVAL;
    add_ram(&m, 0, low);
    add_entry(&m, 0, LOW_RAM_END, MEMORY_KIND_RAM);
    add_entry(&m, LOW_RAM_END, VGA_GPA, MEMORY_KIND_RESERVED);
    add_entry(&m, ACPI_GPA, ACPI_GPA + ACPI_BYTES, MEMORY_KIND_RESERVED);
    add_entry(&m, HIGH_RAM_START, low, MEMORY_KIND_RAM);
    add_entry(&m, BACKEND_START, BACKEND_START + BACKEND_BYTES, MEMORY_KIND_RESERVED);
    if (high != 0) {
        add_ram(&m, RAM_HIGH_START, high);
        add_entry(&m, RAM_HIGH_START, RAM_HIGH_START + high, MEMORY_KIND_RAM);
    }
    *ret = m;
    return 0;
}
