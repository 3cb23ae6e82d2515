/*
 * supervisor/boot/memory_map.h - where guest RAM is, and where the boot data goes in it.
 *
 *   0                     RAM            zero page, GDT, page tables, command line
 *   0x000a0000            hole           VGA, ROMs
 *   0x000e0000            ACPI tables    RSDP first; reserved
 *   0x00100000            RAM            kernel where it prefers, initrd at the upper end
 *   0xc0000000            hole           devices: I/O APIC, TPM, local APICs
 *   0x100000000           RAM            what did not fit below
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "ipc/ram.h"

enum {
    ZERO_PAGE_GPA = 0x7000,
    GDT_GPA = 0x8000,
    PAGE_TABLES_GPA = 0x9000, /* PML4, PDPT, four page directories */
    STACK_GPA = 0x10000,      /* grows down, to the end of the page tables */
    COMMAND_LINE_GPA = 0x20000,
    COMMAND_LINE_ROOM = 0x10000, /* bytes */
    LOW_RAM_END = 0x9fc00,       /* where an EBDA would start */
    VGA_GPA = 0xa0000,
    ACPI_GPA = 0xe0000,
    ACPI_BYTES = 0x20000,
    HIGH_RAM_START = 0x100000, /* the kernel goes where it prefers, above this */
};

enum {
    MEMORY_MAP_MAX_RAM = 2,
    MEMORY_MAP_MAX_ENTRIES = 8,
};

/* The numbers of the boot protocol's e820 table. */
enum e820_kind {
    MEMORY_KIND_RAM = 1,
    MEMORY_KIND_RESERVED = 2,
};

struct memory_range {
    uint64_t start; /* guest physical */
    uint64_t len;   /* bytes */
};

struct memory_entry {
    struct memory_range range;
    enum e820_kind kind;
};

struct memory_map {
    /* What to back with memory, in the order in which a memfd of all RAM is cut. */
    struct memory_range ram[MEMORY_MAP_MAX_RAM];
    unsigned n_ram;
    /* What the guest is told, rising, without overlaps. */
    struct memory_entry entries[MEMORY_MAP_MAX_ENTRIES];
    unsigned n_entries;
};

/*
 * Lay out ram_bytes.
 *   0        *ret is valid
 *   -EINVAL  not a multiple of RAM_UNIT_BYTES
 *   -ERANGE  below RAM_MIN_BYTES or above RAM_MAX_BYTES
 */
int MUST_USE memory_map_make(uint64_t ram_bytes, struct memory_map *ret);
