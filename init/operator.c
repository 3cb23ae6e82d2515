#include "init/operator.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

enum {
    BACKLOG = 16,
};

/* Make room at the address: 0 when nothing is there, or what was there is a dead VM's. */
static int clear_address(const struct sockaddr_un *to, struct why *why)
{
    AUTO_FD fd = -1;
    struct stat st;

    if (lstat(to->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : why_errno(why, -errno, "%s", to->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return why_say(why, -EEXIST, "%s: exists and is not a socket", to->sun_path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return why_errno(why, -errno, "operator socket");
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0 || errno == EAGAIN)
        return why_say(why, -EADDRINUSE, "%s: a VM of this name is already running", to->sun_path);
    if (errno != ECONNREFUSED)
        return why_errno(why, -errno, "%s: in use", to->sun_path);
    if (unlink(to->sun_path) < 0 && errno != ENOENT)
        return why_errno(why, -errno, "%s", to->sun_path);
    return 0;
}

static int bind_private(int fd, const struct sockaddr_un *to)
{
    mode_t before = umask(0177);
    int r = bind(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 ? -errno : 0;

    (void)umask(before);
    if (r == 0 && listen(fd, BACKLOG) < 0)
        r = -errno;
    return r;
}

/* The folder alone, not its parents: /run/bulkhead on a machine that has just started. */
static void make_folder(const struct sockaddr_un *to)
{
    char folder[sizeof(to->sun_path)];
    char *slash;

    memcpy(folder, to->sun_path, sizeof(folder));
    slash = strrchr(folder, '/');
    if (slash == NULL || slash == folder)
        return;
    *slash = '\0';
    (void)mkdir(folder, 0755); /* if it cannot be made, bind says why */
}

int operator_listen(const char *path, struct operator_address *ret, int *ret_fd, struct why *why)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    AUTO_FD fd = -1;
    struct stat st;
    int r;

    if (strlen(path) >= sizeof(to.sun_path))
        return why_say(why, -EINVAL, "operator socket: its path is too long");
    memcpy(to.sun_path, path, strlen(path));
    make_folder(&to);
    r = clear_address(&to, why);
    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    r = fd < 0 ? -errno : bind_private(fd, &to);
    if (r == 0 && lstat(path, &st) < 0)
        r = -errno;
    if (r < 0)
        return why_errno(why, r, "operator socket %s", path);
    (void)snprintf(ret->path, sizeof(ret->path), "%s", path);
    ret->device = st.st_dev;
    ret->inode = st.st_ino;
    *ret_fd = fd_steal(&fd);
    return 0;
}

void operator_remove(struct operator_address *a)
{
    struct stat st;

    if (a->path[0] != '\0' && lstat(a->path, &st) == 0 && st.st_dev == a->device &&
        st.st_ino == a->inode)
        (void)unlink(a->path);
    a->path[0] = '\0';
}
