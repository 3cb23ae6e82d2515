#include "init/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/quota.h"

static const char ROOT[] = "/sys/fs/cgroup";

static int write_text(int dir_fd, const char *name, const char *text)
{
    AUTO_FD fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return -errno;
    return 0;
}

static int write_number(int dir_fd, const char *name, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    return write_text(dir_fd, name, text);
}

/* Does the folder hand the memory controller on to those in it? */
static bool hands_on_memory(int dir_fd)
{
    char text[256] = "";
    AUTO_FD fd = openat(dir_fd, "cgroup.subtree_control", O_RDONLY | O_CLOEXEC);

    return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strstr(text, "memory") != NULL;
}

static int make_folder(int root_fd, struct cgroups *c)
{
    uint64_t random;
    int fd;

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return -EIO;
    (void)snprintf(c->name, sizeof(c->name), "bulkhead-%016" PRIx64, random);
    if (mkdirat(root_fd, c->name, 0755) < 0)
        return -errno;
    fd = openat(root_fd, c->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || write_text(fd, "cgroup.subtree_control", "+memory +pids") < 0) {
        fd_closep(&fd);
        (void)unlinkat(root_fd, c->name, AT_REMOVEDIR);
        return -ENOTSUP;
    }
    return fd;
}

void cgroups_open(struct cgroups *c, bool may_enable)
{
    AUTO_FD root_fd = open(ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct statfs fs;

    *c = (struct cgroups){.fd = -1};
    if (root_fd < 0 || fstatfs(root_fd, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
        return;
    if (may_enable)
        (void)write_text(root_fd, "cgroup.subtree_control", "+memory +pids");
    if (hands_on_memory(root_fd))
        c->fd = make_folder(root_fd, c);
}

static int set_leaf(int fd, enum process process, unsigned vcpus, uint64_t guest_bytes)
{
    uint64_t memory = quota_memory(process, guest_bytes);
    int r = write_number(fd, "pids.max", quota_threads(process, vcpus));

    if (r < 0 || memory == 0)
        return r;
    r = write_number(fd, "memory.max", memory);
    if (r == 0)
        r = write_text(fd, "memory.oom.group", "1");
    if (r == 0)
        (void)write_text(fd, "memory.swap.max", "0"); /* absent where there is no swap */
    return r;
}

int cgroups_add(const struct cgroups *c, enum process process, uint32_t generation, unsigned vcpus,
                uint64_t guest_bytes, struct cgroup_leaf *ret)
{
    struct cgroup_leaf leaf = {.fd = -1};
    char name[32];
    int r;

    if (c->fd < 0) {
        *ret = leaf;
        return 0;
    }
    (void)snprintf(name, sizeof(name), "%s.%" PRIu32, manifest[process].name, generation);
    (void)snprintf(leaf.path, sizeof(leaf.path), "/%s/%s", c->name, name);
    if (mkdirat(c->fd, name, 0755) < 0)
        return -errno;
    leaf.fd = openat(c->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = leaf.fd < 0 ? -errno : set_leaf(leaf.fd, process, vcpus, guest_bytes);
    if (r < 0) {
        cgroups_remove(c, &leaf);
        return r;
    }
    *ret = leaf;
    return 0;
}

static const char *name_in_folder(const struct cgroup_leaf *leaf)
{
    return strrchr(leaf->path, '/') + 1;
}

/* A line "oom_kill N" of the leaf's memory.events. */
bool cgroups_ran_out(const struct cgroups *c, const struct cgroup_leaf *leaf)
{
    static const char key[] = "\noom_kill ";
    char name[64], text[512] = "\n";
    AUTO_FD fd = -1;
    const char *at;

    if (c->fd < 0 || leaf->path[0] == '\0')
        return false;
    (void)snprintf(name, sizeof(name), "%.40s/memory.events", name_in_folder(leaf));
    fd = openat(c->fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text + 1, sizeof(text) - 2) < 0)
        return false;
    at = strstr(text, key);
    return at != NULL && strtoul(at + strlen(key), NULL, 10) > 0;
}

void cgroups_remove(const struct cgroups *c, struct cgroup_leaf *leaf)
{
    fd_closep(&leaf->fd);
    if (c->fd >= 0 && leaf->path[0] != '\0')
        (void)unlinkat(c->fd, name_in_folder(leaf), AT_REMOVEDIR);
    leaf->path[0] = '\0';
}

void cgroups_close(struct cgroups *c)
{
    AUTO_FD root_fd = open(ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (c->fd >= 0)
        (void)unlinkat(root_fd, c->name, AT_REMOVEDIR);
    fd_closep(&c->fd);
}
