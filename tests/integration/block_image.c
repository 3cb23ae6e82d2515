/*
 * tests/integration/block_image.c - a disk image in a file, used from a command line.
 *
 *   block_image FORMAT FILE size            its bytes, as a number
 *   block_image FORMAT FILE read            all of the disk to stdout; the image is opened read-only
 *   block_image FORMAT FILE write SEED      a pattern into many places; then a flush
 *   block_image FORMAT FILE discard SEED    give many places back; then a flush
 *   block_image FORMAT FILE unflushed SEED  like write, but it ends as if it were killed before the flush
 *   block_image FORMAT FILE flush           open it, flush it: a log is replayed
 *
 * FORMAT is raw, vhd or vhdx. The same command on a raw file makes the model to compare with.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "drivers/block.h"

enum {
    SECTOR = 4096, /* of the patterns: images may have such sectors */
    PLACES = 60,
    PLACE_SECTORS = 40, /* at most */
    DISCARD_SECTORS = 2000,
    BUFFER_BYTES = 1 << 16,
};

static int file_read(void *self, uint32_t file, uint64_t offset, void *buf, size_t len)
{
    const int *fd = self;
    ssize_t n = pread(*fd, buf, len, (off_t)offset);

    (void)file;
    if (n < 0)
        return -errno;
    return (size_t)n == len ? 0 : -EIO;
}

static int file_write(void *self, uint32_t file, uint64_t offset, const void *buf, size_t len)
{
    const int *fd = self;
    ssize_t n = pwrite(*fd, buf, len, (off_t)offset);

    (void)file;
    if (n < 0)
        return -errno;
    return (size_t)n == len ? 0 : -EIO;
}

static int file_flush(void *self, uint32_t file)
{
    const int *fd = self;

    (void)file;
    return fdatasync(*fd) < 0 ? -errno : 0;
}

static int file_zero(void *self, uint32_t file, uint64_t offset, uint64_t len)
{
    static const uint8_t zeros[BUFFER_BYTES];

    while (len > 0) {
        size_t n = len < sizeof(zeros) ? len : sizeof(zeros);
        int r = file_write(self, file, offset, zeros, n);

        if (r < 0)
            return r;
        offset += n;
        len -= n;
    }
    return 0;
}

struct image {
    int fd;
    struct block_io io;
    struct block *block;
    uint64_t bytes;
    uint64_t seed;
};

static uint32_t next_random(struct image *i)
{
    i->seed = i->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(i->seed >> 33);
}

static int read_all(struct image *i)
{
    static uint8_t buf[BUFFER_BYTES];

    for (uint64_t at = 0; at < i->bytes;) {
        struct block_extent e;
        uint64_t left = i->bytes - at;
        int r = 0;

        block_map(i->block, at, left < sizeof(buf) ? left : sizeof(buf), &e);
        if (e.kind == BLOCK_DATA)
            r = file_read(&i->fd, e.file, e.offset, buf, e.len);
        else
            memset(buf, 0, e.len);
        if (r < 0)
            return r;
        if (fwrite(buf, 1, e.len, stdout) != e.len)
            return -EIO;
        at += e.len;
    }
    return fflush(stdout) == 0 ? 0 : -EIO;
}

static int write_range(struct image *i, uint64_t at, const uint8_t *bytes, uint64_t len)
{
    while (len > 0) {
        struct block_extent e;
        int r = 0;

        block_map(i->block, at, len, &e);
        if (e.kind == BLOCK_ZERO)
            r = block_allocate(i->block, at, len);
        block_map(i->block, at, len, &e);
        if (r == 0)
            r = file_write(&i->fd, e.file, e.offset, bytes, e.len);
        if (r < 0)
            return r;
        at += e.len;
        bytes += e.len;
        len -= e.len;
    }
    return 0;
}

/* Somewhere, of some length, inside the disk. */
static void choose(struct image *i, uint32_t most, uint64_t *ret_at, uint64_t *ret_len)
{
    uint64_t sectors = i->bytes / SECTOR;
    uint64_t at = next_random(i) % sectors;
    uint64_t n = next_random(i) % most + 1;

    *ret_at = at * SECTOR;
    *ret_len = (n < sectors - at ? n : sectors - at) * SECTOR;
}

static int write_pattern(struct image *i)
{
    static uint8_t bytes[PLACE_SECTORS * SECTOR];

    for (int place = 0; place < PLACES; place++) {
        uint64_t at;
        uint64_t len;
        int r;

        choose(i, PLACE_SECTORS, &at, &len);
        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)next_random(i);
        r = write_range(i, at, bytes, len);
        if (r < 0)
            return r;
    }
    return 0;
}

/* As the storage worker does it: zeros where there are data, then the driver is told. */
static int discard_range(struct image *i, uint64_t from, uint64_t len)
{
    bool zeroed;

    for (uint64_t at = from; at < from + len;) {
        struct block_extent e;
        int r = 0;

        block_map(i->block, at, from + len - at, &e);
        if (e.kind == BLOCK_DATA)
            r = file_zero(&i->fd, e.file, e.offset, e.len);
        if (r < 0)
            return r;
        at += e.len;
    }
    return block_discard(i->block, from, len, &zeroed);
}

static int discard_places(struct image *i)
{
    for (int place = 0; place < 4; place++) {
        uint64_t at;
        uint64_t len;
        int r;

        choose(i, DISCARD_SECTORS, &at, &len);
        r = discard_range(i, at, len);
        if (r < 0)
            return r;
    }
    return 0;
}

static int flush(struct image *i)
{
    int r = file_flush(&i->fd, 0);

    return r < 0 ? r : block_flush(i->block);
}

static int do_size(struct image *i)
{
    printf("%llu\n", (unsigned long long)i->bytes);
    return 0;
}

static int do_write(struct image *i)
{
    int r = write_pattern(i);

    return r < 0 ? r : flush(i);
}

static int do_discard(struct image *i)
{
    int r = discard_places(i);

    return r < 0 ? r : flush(i);
}

struct command {
    const char *name;
    int n_args;
    bool read_only;
    int (*run)(struct image *i);
};

static const struct command commands[] = {
    {"size",      4, true,  do_size      },
    {"read",      4, true,  read_all     },
    {"write",     5, false, do_write     },
    {"discard",   5, false, do_discard   },
    {"unflushed", 5, false, write_pattern},
    {"flush",     4, false, flush        },
};

static const char *const formats[] = {
    [BLOCK_RAW] = "raw",
    [BLOCK_VHD] = "vhd",
    [BLOCK_VHDX] = "vhdx",
};

static const struct command *find_command(int argc, char **argv)
{
    for (size_t i = 0; argc >= 4 && i < COUNT_OF(commands); i++) {
        if (strcmp(commands[i].name, argv[3]) == 0 && commands[i].n_args == argc)
            return &commands[i];
    }
    return NULL;
}

static int run(struct image *i, const struct command *c, const char *format)
{
    struct block_spec spec = {.read_only = c->read_only, .n_members = 1};
    char why[BLOCK_WHY_BYTES] = "";
    struct stat st;
    int r;

    while (spec.format < COUNT_OF(formats) && strcmp(formats[spec.format], format) != 0)
        spec.format++;
    if (fstat(i->fd, &st) < 0)
        return -errno;
    spec.file_bytes[0] = (uint64_t)st.st_size;
    if (getrandom(spec.random, sizeof(spec.random), 0) != sizeof(spec.random))
        return -EIO;
    r = block_open(&spec, &i->io, &i->block, why);
    if (r < 0) {
        fprintf(stderr, "%s\n", why);
        return r;
    }
    i->bytes = block_info(i->block)->bytes;
    r = c->run(i);
    block_close(i->block);
    return r;
}

int main(int argc, char **argv)
{
    const struct command *c = find_command(argc, argv);
    struct image i = {.fd = -1};
    int r;

    if (c == NULL) {
        fprintf(stderr, "usage: %s FORMAT FILE size|read|write|discard|unflushed|flush [SEED]\n",
                argv[0]);
        return 2;
    }
    i.fd = open(argv[2], (c->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    i.io = (struct block_io){file_read, file_write, file_flush, file_zero, &i.fd};
    i.seed = c->n_args == 5 ? strtoull(argv[4], NULL, 10) : 0;
    r = i.fd < 0 ? -errno : run(&i, c, argv[1]);
    if (r < 0)
        fprintf(stderr, "%s: %s: %s\n", argv[2], argv[3], strerror(-r));
    fd_closep(&i.fd);
    return r < 0 ? 1 : 0;
}
