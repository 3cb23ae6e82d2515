#include "init/ring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "ipc/disks.h"

static const uint8_t allowed_ops[] = {
    IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_READ,
    IORING_OP_WRITE, IORING_OP_FSYNC,  IORING_OP_FALLOCATE,
};

/* The worker's driver relies on these; Linux 5.11 has them all. */
static const uint32_t NEEDED_FEATURES =
    IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_EXT_ARG;

static int enroll(int fd, unsigned op, const void *arg, unsigned n)
{
    return syscall(SYS_io_uring_register, fd, op, arg, n) < 0 ? -errno : 0;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static struct ring_shape shape_of(const struct io_uring_params *p)
{
    uint32_t sq_end = p->sq_off.array + p->sq_entries * (uint32_t)sizeof(uint32_t);
    uint32_t cq_end = p->cq_off.cqes + p->cq_entries * (uint32_t)sizeof(struct io_uring_cqe);

    return (struct ring_shape){
        .sq_entries = p->sq_entries,
        .cq_entries = p->cq_entries,
        .sq_head = p->sq_off.head,
        .sq_tail = p->sq_off.tail,
        .sq_flags = p->sq_off.flags,
        .sq_array = p->sq_off.array,
        .cq_head = p->cq_off.head,
        .cq_tail = p->cq_off.tail,
        .cq_flags = p->cq_off.flags,
        .cqes = p->cq_off.cqes,
        .bytes = larger(sq_end, cq_end),
    };
}

static int empty_table(int fd)
{
    int none[DISK_FILES];

    for (unsigned i = 0; i < DISK_FILES; i++)
        none[i] = -1;
    return enroll(fd, IORING_REGISTER_FILES, none, DISK_FILES);
}

static int too_old(struct why *why)
{
    return why_say(why, -EOPNOTSUPP, "io_uring: this kernel's is too old: Linux 6.1 is needed");
}

/* What a host without it answers, or one that keeps it from us. */
static int refused(int err, struct why *why)
{
    switch (-err) {
    case ENOSYS:
        return why_say(why, -EOPNOTSUPP,
                       "io_uring: this kernel has none: it needs CONFIG_IO_URING");
    case EPERM:
    case EACCES:
        return why_say(
            why, -EOPNOTSUPP,
            "io_uring: not permitted: set the sysctl kernel.io_uring_disabled to 0 or 1, "
            "or let the container's seccomp profile allow it");
    case EINVAL: /* a flag that it does not know */
        return too_old(why);
    default:
        return why_errno(why, err, "io_uring");
    }
}

/* One that was made, but may not be set up, is as good as none. */
static int no_table(int err, struct why *why)
{
    if (err == -EMFILE)
        return why_say(why, err, "io_uring: %d files: raise the limit of open files (ulimit -n)",
                       DISK_FILES);
    if (err == -ENOSYS || err == -EPERM || err == -EACCES)
        return refused(err, why);
    return why_errno(why, err, "io_uring: its table of files");
}

int ring_new(int *ret_fd, struct ring_shape *ret_shape, struct why *why)
{
    struct io_uring_params p = {
        .flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
        .cq_entries = RING_COMPLETIONS,
    };
    AUTO_FD fd = (int)syscall(SYS_io_uring_setup, RING_IN_FLIGHT, &p);
    int r;

    if (fd < 0)
        return refused(-errno, why);
    if ((p.features & NEEDED_FEATURES) != NEEDED_FEATURES)
        return too_old(why);
    r = empty_table(fd);
    if (r < 0)
        return no_table(r, why);
    *ret_shape = shape_of(&p);
    *ret_fd = fd_steal(&fd);
    return 0;
}

/* For each process that will use the ring. All requests for files are of the first kind. */
static int limit_threads(int fd)
{
    unsigned most[2] = {RING_THREADS, 1};

    return enroll(fd, IORING_REGISTER_IOWQ_MAX_WORKERS, most, COUNT_OF(most));
}

/*
 * The one register operation is named for its own sake, too: newer kernels leave all of them open when
 * a set of restrictions names none.
 */
static int restrict_ops(int fd)
{
    struct io_uring_restriction rows[COUNT_OF(allowed_ops) + 3] = {
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,  .sqe_flags = IOSQE_FIXED_FILE              },
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE              },
        {.opcode = IORING_RESTRICTION_REGISTER_OP,        .register_op = IORING_REGISTER_FILES_UPDATE},
    };

    for (size_t i = 0; i < COUNT_OF(allowed_ops); i++) {
        rows[3 + i].opcode = IORING_RESTRICTION_SQE_OP;
        rows[3 + i].sqe_op = allowed_ops[i];
    }
    return enroll(fd, IORING_REGISTER_RESTRICTIONS, rows, COUNT_OF(rows));
}

int ring_enable(int fd, int bell_fd, struct why *why)
{
    int r = enroll(fd, IORING_REGISTER_EVENTFD, &bell_fd, 1);

    if (r < 0)
        return why_errno(why, r, "io_uring: its bell");
    r = limit_threads(fd);
    if (r < 0)
        return why_errno(why, r, "io_uring: its threads");
    r = restrict_ops(fd);
    if (r < 0)
        return why_errno(why, r, "io_uring: its restrictions");
    r = enroll(fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    return r < 0 ? why_errno(why, r, "io_uring") : 0;
}

int ring_set_file(int fd, uint32_t slot, int file_fd)
{
    struct io_uring_files_update update = {
        .offset = slot,
        .fds = (uint64_t)(uintptr_t)&file_fd,
    };
    long r;

    if (slot >= DISK_FILES)
        return -EINVAL;
    r = syscall(SYS_io_uring_register, fd, IORING_REGISTER_FILES_UPDATE, &update, 1);
    return r < 0 ? -errno : r == 1 ? 0 : -EIO;
}
