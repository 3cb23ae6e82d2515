#include "init/tasks.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
    TASKS_MAX = 256,
    AHEAD = 10, /* levels of nice */
};

static int for_each(pid_t pid, int (*call)(pid_t task, const void *with), const void *with)
{
    char path[48];
    unsigned left = TASKS_MAX;
    DIR *dir;
    int r = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
    dir = opendir(path);
    if (dir == NULL)
        return -errno;
    for (const struct dirent *d = readdir(dir); d != NULL && left-- > 0; d = readdir(dir)) {
        pid_t task = (pid_t)strtol(d->d_name, NULL, 10);

        if (task > 0 && call(task, with) < 0 && errno != ESRCH)
            r = -errno;
    }
    (void)closedir(dir);
    return r;
}

static int place(pid_t task, const void *with)
{
    return sched_setaffinity(task, sizeof(cpu_set_t), with);
}

int tasks_place(pid_t pid, unsigned cpu)
{
    cpu_set_t set;

    if (cpu >= CPU_SETSIZE)
        return -EINVAL;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return for_each(pid, place, &set);
}

static int set_nice(pid_t task, const void *with)
{
    const int *nice = with;

    return setpriority(PRIO_PROCESS, (id_t)task, *nice);
}

/* init has the right to it (rights.c); should it fail all the same, it starts and ends as fast as others run. */
void tasks_set_ahead(pid_t pid)
{
    const int nice = getpriority(PRIO_PROCESS, 0) - AHEAD;

    (void)for_each(pid, set_nice, &nice);
}

int tasks_take_back(pid_t pid)
{
    const int nice = getpriority(PRIO_PROCESS, 0);

    return for_each(pid, set_nice, &nice);
}
