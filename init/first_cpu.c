#include "init/first_cpu.h"

#include <cpuid.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

enum {
    CPUID_FEATURES = 1,
    CPUID_HYPERVISOR_BIT = 31,            /* of ECX */
    CPUID_HYPERVISOR_VENDOR = 0x40000000, /* 12 bytes in EBX, ECX, EDX */
};

bool cpu_is_emulated(void)
{
    unsigned eax, ebx, ecx, edx;
    unsigned vendor[3];

    if (!__get_cpuid(CPUID_FEATURES, &eax, &ebx, &ecx, &edx) ||
        (ecx >> CPUID_HYPERVISOR_BIT & 1) == 0)
        return false;
    __cpuid(CPUID_HYPERVISOR_VENDOR, eax, vendor[0], vendor[1], vendor[2]);
    return memcmp(vendor, "TCGTCGTCGTCG", sizeof(vendor)) == 0;
}

int first_cpu_avoid(pid_t pid)
{
    cpu_set_t set;

    if (sched_getaffinity(pid, sizeof(set), &set) < 0)
        return -errno;
    CPU_CLR(0, &set);
    if (CPU_COUNT(&set) == 0)
        return 0;
    return sched_setaffinity(pid, sizeof(set), &set) < 0 ? -errno : 0;
}
