#include "init/landlock.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* linux/landlock.h of Debian 12 ends at ABI 2: the rest is written out here. */
enum {
    RULESET_VERSION = 1, /* flag of landlock_create_ruleset(2) */
    RULE_PATH_BENEATH = 1,

    FS_EXECUTE = 1 << 0,
    FS_READ_FILE = 1 << 2,
    FS_ABI_1 = (1 << 13) - 1, /* all up to MAKE_SYM */
    FS_REFER = 1 << 13,
    FS_TRUNCATE = 1 << 14,
    FS_IOCTL_DEV = 1 << 15,
    NET_BIND_TCP = 1 << 0,
    NET_CONNECT_TCP = 1 << 1,
    SCOPE_ABSTRACT_UNIX = 1 << 0,
    SCOPE_SIGNAL = 1 << 1,
};

struct ruleset {
    uint64_t fs;
    uint64_t net;    /* from ABI 4 */
    uint64_t scoped; /* from ABI 6 */
};

struct path_beneath {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, RULESET_VERSION);

    return abi < 0 ? 0 : (int)abi;
}

static size_t ruleset_bytes(int abi)
{
    if (abi >= 6)
        return sizeof(struct ruleset);
    return abi >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net);
}

static struct ruleset everything(int abi)
{
    struct ruleset all = {.fs = FS_ABI_1};

    if (abi >= 2)
        all.fs |= FS_REFER;
    if (abi >= 3)
        all.fs |= FS_TRUNCATE;
    if (abi >= 4)
        all.net = NET_BIND_TCP | NET_CONNECT_TCP;
    if (abi >= 5)
        all.fs |= FS_IOCTL_DEV;
    if (abi >= 6)
        all.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    return all;
}

static int allow_program(int ruleset_fd, int program_fd)
{
    struct path_beneath rule = {.allowed = FS_EXECUTE | FS_READ_FILE, .parent_fd = program_fd};

    if (syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH_BENEATH, &rule, 0) == 0)
        return 0;
    return errno == EBADFD ? 0 : -errno; /* a memfd: in no file system, so not Landlock's */
}

int landlock_ruleset(int program_fd, int *ret_fd)
{
    AUTO_FD fd = -1;
    int abi = landlock_abi();
    struct ruleset all = everything(abi);
    int r;

    if (abi == 0) {
        *ret_fd = -1;
        return 0;
    }
    fd = (int)syscall(SYS_landlock_create_ruleset, &all, ruleset_bytes(abi), 0);
    if (fd < 0)
        return -errno;
    r = allow_program(fd, program_fd);
    if (r < 0)
        return r;
    *ret_fd = fd_steal(&fd);
    return 0;
}
