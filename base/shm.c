#include "base/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3; glibc 2.36 does not name it */
#endif

static int shm_create(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL) /* Linux before 6.3 refuses the flag */
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

int shm_new(const char *name, size_t len, int *ret_fd)
{
    AUTO_FD fd = shm_create(name);

    if (fd < 0)
        return fd;
    if (ftruncate(fd, (off_t)len) < 0)
        return -errno;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    *ret_fd = fd_steal(&fd);
    return 0;
}

int shm_map(int fd, size_t len, bool writable, void **ret)
{
    struct stat st;
    int seals;
    void *at;

    if (fstat(fd, &st) < 0)
        return -errno;
    seals = fcntl(fd, F_GET_SEALS);
    if (st.st_size != (off_t)len || seals < 0 || (seals & F_SEAL_SHRINK) == 0)
        return -EBADMSG;
    at = mmap(NULL, len, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    *ret = at;
    return 0;
}
