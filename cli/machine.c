#include "cli/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/fd.h"

enum {
    CPUINFO_BYTES = 8192, /* the first CPU's flags are within */
};

const char *machine_virtualization(const char *cpuinfo)
{
    static const char *const flags[] = {"vmx", "svm"};
    const char *line = strstr(cpuinfo, "\nflags\t");
    size_t len;

    if (line == NULL)
        return NULL;
    line += 1;
    len = strcspn(line, "\n");
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        const char *at = line;

        while ((at = strstr(at, flags[i])) != NULL && at < line + len) {
            if (at[-1] == ' ' && strchr(" \n", at[3]) != NULL)
                return flags[i];
            at += 3;
        }
    }
    return NULL;
}

static int read_cpuinfo(char text[CPUINFO_BYTES])
{
    AUTO_FD fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t n;

    if (fd < 0)
        return -errno;
    while (len < CPUINFO_BYTES - 1 && (n = read(fd, text + len, CPUINFO_BYTES - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    return 0;
}

int machine_look(struct machine *ret)
{
    char cpuinfo[CPUINFO_BYTES];
    AUTO_FD kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    struct machine m = {.root = geteuid() == 0, .kvm_error = kvm < 0 ? errno : 0};
    struct sysinfo info;
    int r = read_cpuinfo(cpuinfo);

    if (r < 0)
        return r;
    if (sysinfo(&info) < 0)
        return -errno;
    m.virtualization = machine_virtualization(cpuinfo);
    m.memory_bytes = (uint64_t)info.totalram * info.mem_unit;
    *ret = m;
    return 0;
}
