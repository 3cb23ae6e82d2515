#include "cli/cpio.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 110,
    FOLDER_MODE = 0755,
};

static void put(struct cpio *c, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (c->err == 0 && len > 0) {
        ssize_t n = write(c->fd, at, len);

        if (n < 0) {
            c->err = -errno;
            return;
        }
        at += n;
        len -= (size_t)n;
        c->at += (uint64_t)n;
    }
}

static void pad(struct cpio *c)
{
    static const char zeros[4] = {0};

    put(c, zeros, (size_t)(-c->at & 3));
}

/* Paths in an archive are relative to the root. */
static void header(struct cpio *c, const char *path, unsigned mode, unsigned links, uint64_t len)
{
    char text[HEADER_BYTES + 1];
    size_t name_len = strlen(path) + 1;

    if (len > UINT32_MAX && c->err == 0)
        c->err = -EOVERFLOW;
    /* ino, mode, uid, gid, links, mtime, size, device twice, device of a node twice, name, check */
    (void)snprintf(text, sizeof(text), "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
                   c->ino++, mode, 0u, 0u, links, 0u, (unsigned)len, 0u, 0u, 0u, 0u,
                   (unsigned)name_len, 0u);
    put(c, text, HEADER_BYTES);
    put(c, path, name_len);
    pad(c);
}

static const char *relative(const char *path)
{
    return path + strspn(path, "/");
}

struct cpio cpio_over(int fd, uint64_t at)
{
    struct cpio c = {.fd = fd, .at = at, .ino = 1};

    pad(&c);
    return c;
}

void cpio_folder(struct cpio *c, const char *path)
{
    header(c, relative(path), S_IFDIR | FOLDER_MODE, 2, 0);
}

void cpio_bytes(struct cpio *c, const char *path, unsigned mode, const void *bytes, size_t len)
{
    header(c, relative(path), S_IFREG | mode, 1, len);
    put(c, bytes, len);
    pad(c);
}

void cpio_copy(struct cpio *c, const char *path, unsigned mode, int src)
{
    struct stat st;
    off_t from = 0;

    if (c->err == 0 && fstat(src, &st) < 0)
        c->err = -errno;
    if (c->err < 0)
        return;
    header(c, relative(path), S_IFREG | mode, 1, (uint64_t)st.st_size);
    while (c->err == 0 && from < st.st_size) {
        ssize_t n = sendfile(c->fd, src, &from, (size_t)(st.st_size - from));

        if (n <= 0)
            c->err = n < 0 ? -errno : -EIO; /* shorter than it was a moment ago */
        else
            c->at += (uint64_t)n;
    }
    pad(c);
}

int cpio_finish(struct cpio *c)
{
    header(c, "TRAILER!!!", 0, 1, 0);
    return c->err;
}
