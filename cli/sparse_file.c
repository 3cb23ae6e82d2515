#include "cli/sparse_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

int sparse_file_open(struct sparse_file *f, const char *path)
{
    struct stat st;
    int n;

    *f = (struct sparse_file){.fd = -1, .path = path};
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) /* a device, a folder: no file to replace */
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    n = snprintf(f->partial, sizeof(f->partial), "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof(f->partial)) {
        f->partial[0] = '\0';
        return -ENAMETOOLONG;
    }
    f->buffer = malloc(SPARSE_FILE_BUFFER);
    if (f->buffer == NULL)
        return -ENOMEM;
    f->fd = mkostemp(f->partial, O_CLOEXEC); /* of mode 0600: it holds all that the guest had */
    if (f->fd >= 0)
        return 0;
    n = -errno;
    f->partial[0] = '\0';
    sparse_file_close(f);
    return n;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

static size_t block_at(const struct sparse_file *f, size_t at)
{
    return f->len - at < SPARSE_FILE_BLOCK ? f->len - at : SPARSE_FILE_BLOCK;
}

static int write_all(const struct sparse_file *f, size_t at, size_t len)
{
    while (len > 0) {
        const ssize_t n = pwrite(f->fd, f->buffer + at, len, (off_t)(f->at + at));

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            at += (size_t)n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Blocks that are not zero, as many as follow one another at a time. */
static int flush(struct sparse_file *f)
{
    size_t at = 0;
    int r = 0;

    while (r == 0 && at < f->len) {
        size_t end = at;

        while (end < f->len && !is_zero(f->buffer + end, block_at(f, end)))
            end += block_at(f, end);
        r = write_all(f, at, end - at);
        at = end;
        while (at < f->len && is_zero(f->buffer + at, block_at(f, at)))
            at += block_at(f, at);
    }
    if (r == 0) {
        f->at += f->len;
        f->len = 0;
    }
    return r;
}

int sparse_file_add(struct sparse_file *f, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    int r = 0;

    while (r == 0 && len > 0) {
        const size_t room = SPARSE_FILE_BUFFER - f->len;
        const size_t part = len < room ? len : room;

        memcpy(f->buffer + f->len, from, part);
        f->len += part;
        from += part;
        len -= part;
        if (f->len == SPARSE_FILE_BUFFER)
            r = flush(f);
    }
    return r;
}

uint64_t sparse_file_bytes(const struct sparse_file *f)
{
    return f->at + f->len;
}

int sparse_file_finish(struct sparse_file *f)
{
    int r = flush(f);

    if (r == 0 &&
        (ftruncate(f->fd, (off_t)f->at) < 0 || fsync(f->fd) < 0 || rename(f->partial, f->path) < 0))
        r = -errno;
    if (r == 0)
        f->partial[0] = '\0';
    return r;
}

void sparse_file_close(struct sparse_file *f)
{
    if (f->partial[0] != '\0' && f->fd >= 0)
        (void)unlink(f->partial);
    fd_closep(&f->fd);
    free(f->buffer);
    f->buffer = NULL;
}
