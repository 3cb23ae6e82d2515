#include "init/nested_disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

enum {
    SERIAL_BYTES = 64,
    PATH_BYTES = 512,
};

static const char PREFIX[] = "serial:";

static bool read_serial(const char *blocks, const char *device, char out[SERIAL_BYTES])
{
    char path[PATH_BYTES];
    AUTO_FD fd = -1;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "%.128s/%.200s/serial", blocks, device);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, out, SERIAL_BYTES - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return true;
}

/* The path of the device of that serial number; NULL: none has it. The caller frees it. */
static char *find_device(const char *blocks, const char *serial)
{
    DIR *dir = opendir(blocks);
    char found[SERIAL_BYTES];
    char *path = NULL;

    if (dir == NULL)
        return NULL;
    for (const struct dirent *d = readdir(dir); d != NULL && path == NULL; d = readdir(dir)) {
        if (d->d_name[0] == '.' || !read_serial(blocks, d->d_name, found) ||
            strcmp(found, serial) != 0)
            continue;
        if (asprintf(&path, "/dev/%s", d->d_name) < 0)
            path = NULL;
    }
    (void)closedir(dir);
    return path;
}

static int find_path(char **path, const char *blocks, uint64_t end_ns, struct why *why)
{
    const char *serial = *path + strlen(PREFIX);
    struct timespec nap = {.tv_nsec = 2 * 1000 * 1000};
    char *found;

    while ((found = find_device(blocks, serial)) == NULL) {
        if (clock_now_ns() > end_ns)
            return why_say(why, -ETIMEDOUT, "no disk with serial number %.40s", serial);
        (void)nanosleep(&nap, NULL);
    }
    free(*path); /* by malloc(), as all of an unpacked message */
    *path = found;
    return 0;
}

int nested_disks_find(Bulkhead__VmConfig *config, const char *blocks, uint64_t wait_ns,
                      struct why *why)
{
    uint64_t end_ns = clock_now_ns() + wait_ns;

    for (size_t i = 0; i < config->n_disks; i++) {
        Bulkhead__Disk *disk = config->disks[i];

        for (size_t p = 0; p < disk->n_paths; p++) {
            int r = 0;

            if (strncmp(disk->paths[p], PREFIX, strlen(PREFIX)) == 0)
                r = find_path(&disk->paths[p], blocks, end_ns, why);
            if (r < 0)
                return r;
        }
    }
    return 0;
}
