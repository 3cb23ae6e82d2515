#include "cli/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "ipc/manifest.h"

const char *programs_missing(const char *folder)
{
    AUTO_FD dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0 || faccessat(dir, "bulkhead-init", X_OK, 0) < 0)
        return "bulkhead-init";
    for (enum process p = PROCESS_INIT; p < PROCESS_COUNT; p++) {
        for (int remote = 0; remote <= 1; remote++) {
            const char *program = manifest_program(p, remote != 0);

            if (program != NULL && faccessat(dir, program, X_OK, 0) < 0)
                return program;
        }
    }
    return NULL;
}

int programs_find(char ret[PATH_MAX])
{
    static const char *const places[] = {".", "../lib/bulkhead"};
    char self[PATH_MAX];
    char place[PATH_MAX + 32];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (len < 0)
        return -errno;
    self[len] = '\0';
    slash = strrchr(self, '/');
    if (slash == NULL)
        return -ENOENT;
    *slash = '\0';
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        (void)snprintf(place, sizeof(place), "%s/%s", self, places[i]);
        if (programs_missing(place) == NULL && realpath(place, ret) != NULL)
            return 0;
    }
    return -ENOENT;
}
