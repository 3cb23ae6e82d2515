/*
 * base/cpu.h - what this processor is.
 */
#pragma once

#include <cpuid.h>
#include <stdbool.h>
#include <string.h>

/* Is it one that QEMU emulates? */
static inline bool cpu_is_emulated(void)
{
    const unsigned features = 1, hypervisor_bit = 31, hypervisor_vendor = 0x40000000;
    unsigned eax, ebx, ecx, edx;
    unsigned vendor[3];

    if (!__get_cpuid(features, &eax, &ebx, &ecx, &edx) || (ecx >> hypervisor_bit & 1) == 0)
        return false;
    __cpuid(hypervisor_vendor, eax, vendor[0], vendor[1], vendor[2]);
    return memcmp(vendor, "TCGTCGTCGTCG", sizeof(vendor)) == 0;
}
