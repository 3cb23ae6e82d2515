#include "cli/capture_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/pcapng.h"

int capture_file_open(struct capture_file *f, const char *path)
{
    bool is_ours = path != NULL && strcmp(path, "-") != 0;
    /* It holds what the guest says: for its owner only. */
    int fd = is_ours ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600)
                     : STDOUT_FILENO;
    struct stat st;

    if (fd < 0)
        return -errno;
    *f = (struct capture_file){.fd = fd, .path = path, .is_ours = is_ours, .stop_fd = -1};
    f->has_reader = fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode);
    f->buffer = malloc(CAPTURE_FILE_BYTES);
    if (f->buffer != NULL)
        return 0;
    capture_file_close(f);
    return -ENOMEM;
}

uint8_t *capture_file_room(struct capture_file *f, size_t bytes)
{
    assert(bytes <= CAPTURE_FILE_BYTES - f->len);
    return f->buffer + f->len;
}

void capture_file_add(struct capture_file *f, size_t bytes)
{
    f->len += bytes;
}

/* A pipe that polls as writable takes so much without waiting; who waits there hears no signal. */
static int wait_for_reader(const struct capture_file *f)
{
    struct pollfd fds[] = {
        {.fd = f->fd,      .events = POLLOUT},
        {.fd = f->stop_fd, .events = POLLIN },
    };

    if (poll(fds, COUNT_OF(fds), -1) < 0)
        return errno == EINTR ? 0 : -errno;
    if (fds[0].revents != 0)
        return 0;
    return poll(fds, 1, CAPTURE_FILE_PATIENCE_MS) > 0 ? 0 : -ETIMEDOUT;
}

static ssize_t write_some(const struct capture_file *f, size_t at)
{
    size_t len = f->len - at;
    ssize_t n;
    int r;

    if (f->has_reader) {
        r = wait_for_reader(f);
        if (r < 0)
            return r;
        len = len < PIPE_BUF ? len : PIPE_BUF;
    }
    n = write(f->fd, f->buffer + at, len);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    return n == 0 ? -EIO : n;
}

/* Of what was collected, at bytes are in the file: of these, whole blocks stay. */
static void keep_whole(struct capture_file *f, size_t at, uint64_t *ret_lost)
{
    uint64_t all, kept;
    size_t whole = pcapng_whole(f->buffer, at, &kept);

    (void)pcapng_whole(f->buffer, f->len, &all);
    f->written += whole;
    if (f->is_ours && whole != at)
        (void)!ftruncate(f->fd, (off_t)f->written); /* a pipe cannot be */
    *ret_lost = all - kept;
}

int capture_file_flush(struct capture_file *f, uint64_t *ret_lost)
{
    size_t at = 0;

    *ret_lost = 0;
    while (f->err == 0 && at < f->len) {
        ssize_t n = write_some(f, at);

        if (n < 0)
            f->err = (int)n;
        else
            at += (size_t)n;
    }
    if (f->err != 0)
        keep_whole(f, at, ret_lost);
    else
        f->written += at;
    f->len = 0;
    return f->err;
}

void capture_file_close(struct capture_file *f)
{
    struct stat st;

    if (f->is_ours && f->written == 0 && fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode))
        (void)unlink(f->path);
    if (f->is_ours)
        fd_closep(&f->fd);
    free(f->buffer);
    f->buffer = NULL;
}
