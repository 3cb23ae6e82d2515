#include "cli/binary.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

int binary_seal(const char *path, int *ret_fd)
{
    static const char elf[] = {0x7f, 'E', 'L', 'F'};
    AUTO_FD src = open(path, O_RDONLY | O_CLOEXEC);
    AUTO_FD copy = memfd_create("bulkhead-binary", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    char magic[sizeof(elf)];
    ssize_t n;

    if (src < 0 || copy < 0)
        return -errno;
    if (pread(src, magic, sizeof(magic), 0) != sizeof(magic) ||
        memcmp(magic, elf, sizeof(elf)) != 0)
        return -ENOEXEC;
    while ((n = sendfile(copy, src, NULL, 1 << 30)) > 0)
        continue;
    if (n < 0 || fchmod(copy, 0555) < 0 ||
        fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return -errno;
    *ret_fd = fd_steal(&copy);
    return 0;
}
