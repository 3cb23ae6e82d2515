#include "init/first_cpu.h"

#include <errno.h>
#include <sched.h>

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
