/*
 * supervisor/boot/acpi.h - the ACPI tables that describe the virtual machine.
 *
 * What they say is a contract with the chipset and vtpm workers: ports, interrupts, sleep type,
 * reset register. The devices are in dsdt.asl, compiled at build time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    ACPI_PM1_EVENT_PORT = 0x600,   /* 4 bytes */
    ACPI_PM1_CONTROL_PORT = 0x604, /* 2 bytes */
    ACPI_PM_TIMER_PORT = 0x608,    /* 4 bytes */
    ACPI_RESET_PORT = 0x64,
    ACPI_RESET_VALUE = 0xfe,
    ACPI_SCI_IRQ = 9, /* level, active high */
};

static const uint64_t ACPI_TPM_CONTROL_AREA = 0xfed40040;

/*
 * Build all tables for memory at gpa (aligned to 64, below 4 GiB); the RSDP comes first.
 * 0 and *ret_len, or -ENOBUFS; then buf is garbage.
 */
int MUST_USE acpi_build(uint32_t gpa, unsigned n_vcpus, void *buf, size_t room, size_t *ret_len);
