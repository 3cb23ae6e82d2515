/*
 * tests/bench/uring_floor.c - the limit: the same load by io_uring on the file, in one process.
 *
 *   uring_floor FILE ARGUMENTS     as of disk_series_parse()
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/disk_series.h"

struct floor {
    struct io_uring ring;
    uint8_t *buffers;
    uint32_t bytes;
};

static int begin(void *self, unsigned slot, bool write, uint64_t offset)
{
    struct floor *f = self;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&f->ring);
    uint8_t *at = f->buffers + (size_t)slot * f->bytes;

    if (sqe == NULL)
        return -ENOBUFS;
    if (write)
        io_uring_prep_write(sqe, 0, at, f->bytes, offset);
    else
        io_uring_prep_read(sqe, 0, at, f->bytes, offset);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, slot);
    return 0;
}

static int submit(void *self)
{
    struct floor *f = self;

    return io_uring_submit_and_wait(&f->ring, 1);
}

static int end(void *self, unsigned slots[DISK_SERIES_DEPTH_MAX])
{
    struct floor *f = self;
    struct io_uring_cqe *cqe;
    int n = 0;

    while (n < DISK_SERIES_DEPTH_MAX && io_uring_peek_cqe(&f->ring, &cqe) == 0) {
        if (cqe->res != (int)f->bytes)
            return cqe->res < 0 ? cqe->res : -EIO;
        slots[n++] = (unsigned)cqe->user_data;
        io_uring_cqe_seen(&f->ring, cqe);
    }
    return n;
}

static void say(void *self, const char *line)
{
    (void)self;
    (void)fputs(line, stdout);
}

int main(int argc, char **argv)
{
    struct floor f = {0};
    struct disk_series s = {
        .who = "io_uring", .begin = begin, .submit = submit, .end = end, .say = say, .self = &f};
    int fd = argc == 3 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
    int r;

    if (fd < 0) {
        fprintf(stderr, "usage: uring_floor FILE ARGUMENTS\n");
        return 2;
    }
    disk_series_parse(&s, argv[2]);
    f.bytes = s.bytes;
    f.buffers = aligned_alloc(4096, (size_t)s.depth * s.bytes);
    r = f.buffers == NULL ? -ENOMEM : io_uring_queue_init(128, &f.ring, 0);
    if (r == 0)
        r = io_uring_register_files(&f.ring, &fd, 1);
    if (r == 0)
        r = disk_series_run(&s);
    if (r < 0)
        fprintf(stderr, "uring_floor: %s\n", strerror(-r));
    return r < 0;
}
