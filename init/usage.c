#include "init/usage.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "init/verify_look.h"

static void read_cpu(pid_t pid, uint64_t *ns)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &t) == 0)
        *ns = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The second and the third number of statm: pages that it has, and those of them that are files' or shared. */
static void read_memory(pid_t pid, uint64_t *bytes)
{
    char path[32], text[VERIFY_TEXT_BYTES];
    uint64_t all, shared;

    (void)snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    if (verify_read_text(AT_FDCWD, path, text, sizeof(text)) == 0 &&
        sscanf(text, "%*u %" SCNu64 " %" SCNu64, &all, &shared) == 2)
        *bytes = all > shared ? (all - shared) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void usage_read(pid_t pid, struct usage *u)
{
    read_cpu(pid, &u->cpu_ns);
    read_memory(pid, &u->memory_bytes);
}
