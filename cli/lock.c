#include "cli/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

enum {
    FOLDER_MODE = 0755,
    LOCK_MODE = 0600,
    TRIES = 16, /* a lock file may vanish between opening and locking it */
};

static void lock_path(const char *socket_path, char path[PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s.lock", socket_path);
}

static int make_folder(const char *socket_path)
{
    char folder[PATH_MAX];
    char *slash;

    (void)snprintf(folder, sizeof(folder), "%s", socket_path);
    slash = strrchr(folder, '/');
    if (slash == NULL || slash == folder)
        return 0;
    *slash = '\0';
    return mkdir(folder, FOLDER_MODE) < 0 && errno != EEXIST ? -errno : 0;
}

/* Is what was locked still what the path names? */
static bool is_at(int fd, const char *path)
{
    struct stat mine, there;

    return fstat(fd, &mine) == 0 && stat(path, &there) == 0 && mine.st_ino == there.st_ino &&
           mine.st_dev == there.st_dev;
}

/* What a dead VM left goes; whatever else is there is somebody's. */
static int remove_socket(const char *path)
{
    struct stat there;

    if (lstat(path, &there) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(there.st_mode))
        return -EEXIST;
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int lock_take(const char *socket_path, int *ret_fd)
{
    char path[PATH_MAX];
    int r = make_folder(socket_path);

    if (r < 0)
        return r;
    lock_path(socket_path, path);
    for (int i = 0; i < TRIES; i++) {
        AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LOCK_MODE);

        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
            return errno == EWOULDBLOCK ? -EBUSY : -errno;
        if (!is_at(fd, path))
            continue;
        r = remove_socket(socket_path);
        if (r < 0)
            (void)unlink(path);
        else
            *ret_fd = fd_steal(&fd);
        return r;
    }
    return -EBUSY;
}

void lock_drop(const char *socket_path, int *fd)
{
    char path[PATH_MAX];

    if (*fd < 0)
        return;
    lock_path(socket_path, path);
    (void)remove_socket(socket_path);
    (void)unlink(path);
    fd_closep(fd);
}
