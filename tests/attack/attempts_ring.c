/*
 * tests/attack/attempts_ring.c - at the io_uring that the storage worker is given. Its control is a ring
 * of its own that nobody restricted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shm.h"
#include "drivers/uring.h"
#include "init/ring.h"
#include "ipc/disks.h"
#include "tests/attack/evil.h"

enum {
    SOON_MS = 1000,
    REGISTER_OPS = 64,
    OPCODES = 256,
    PERSONALITIES = 64,
};

static struct uring ring;
static int ring_fd = -1;
static uint32_t slot; /* of its disk */
static char bytes[512];
static const char path[] = "/etc/passwd";

static int make_own(const struct evil *e)
{
    struct ring_shape shape;
    struct why why;
    int r = ring_new(&ring_fd, &shape, &why);

    if (r == 0)
        r = ring_set_file(ring_fd, slot, e->shared_fd);
    if (r == 0 &&
        syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
        r = -errno;
    return r < 0 ? r : uring_attach(&ring, ring_fd, &shape);
}

static int take_given(void)
{
    const struct disks_page *page;
    void *map;
    int r = shm_map(manifest_fd(PROCESS_STORAGE, OBJECT_DISKS, 0),
                    manifest_object_bytes(OBJECT_DISKS, 0), false, &map);

    if (r < 0)
        return r;
    page = map;
    slot = page->rows[0].members[0];
    ring_fd = manifest_fd(PROCESS_STORAGE, OBJECT_RING, 0);
    return uring_attach(&ring, ring_fd, &page->ring);
}

int evil_take_ring(const struct evil *e)
{
    if (e->process != PROCESS_STORAGE)
        return 0;
    return e->mode == EVIL_CONTROL ? make_own(e) : take_given();
}

/* What the kernel makes of one request. One that does not complete may have been taken: it works. */
static int32_t try_one(const struct io_uring_sqe *sqe)
{
    uint64_t end_ns = clock_now_ns() + SOON_MS * NS_PER_MS;
    struct uring_done done = {.user_data = URING_PROBE};
    struct io_uring_sqe mine = *sqe;

    if (ring.tail == 0 && uring_take_over(&ring) < 0)
        return -EIO;
    mine.user_data = 1;
    ring.sqes[ring.tail++ & (ring.shape.sq_entries - 1)] = mine;
    if (uring_submit(&ring) < 0)
        return -EIO;
    while (done.user_data == URING_PROBE) {
        if (uring_wait(&ring, 1, end_ns) < 0 || !uring_peek(&ring, 0, &done))
            return 0;
        uring_advance(&ring, 1);
    }
    return done.res;
}

static struct io_uring_sqe at_disk(uint8_t opcode)
{
    struct io_uring_sqe sqe = {.opcode = opcode, .flags = IOSQE_FIXED_FILE, .fd = (int32_t)slot};

    if (opcode == IORING_OP_READ || opcode == IORING_OP_WRITE) {
        sqe.addr = (uintptr_t)bytes;
        sqe.len = sizeof(bytes);
    }
    return sqe;
}

/* What it is for. If this were refused, the refusals below would prove nothing. */
static long k25_own_disk(const struct evil *e)
{
    const struct io_uring_sqe read = at_disk(IORING_OP_READ);
    int32_t r = try_one(&read);

    return r < 0 ? r : e->mode == EVIL_CONTROL ? 0 : EVIL_NO_EFFECT;
}

static long k25_descriptor(const struct evil *e)
{
    struct io_uring_sqe read = at_disk(IORING_OP_READ);

    read.flags = 0;
    read.fd = e->shared_fd;
    return try_one(&read);
}

static long k25_other_slots(const struct evil *e)
{
    (void)e;
    for (uint32_t i = 0; i < 2 * DISK_FILES; i++) {
        struct io_uring_sqe read = at_disk(IORING_OP_READ);
        int32_t r;

        read.fd = (int32_t)i;
        r = i == slot ? -EBADF : try_one(&read);
        if (r != -EBADF)
            return r;
    }
    return -EBADF;
}

static long k25_open(const struct evil *e)
{
    const struct io_uring_sqe sqe = {
        .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)path};

    (void)e;
    return try_one(&sqe);
}

static long k25_socket(const struct evil *e)
{
    const struct io_uring_sqe sqe = {.opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM};

    (void)e;
    return try_one(&sqe);
}

static long k25_close(const struct evil *e)
{
    const struct io_uring_sqe sqe = {.opcode = IORING_OP_CLOSE, .fd = ring_fd};
    int32_t r = try_one(&sqe);

    (void)e;
    return r == -EBADF ? 0 : r; /* a ring does not close rings: it was let through all the same */
}

static long k25_update_slots(const struct evil *e)
{
    const int fds[] = {e->shared_fd};
    const struct io_uring_sqe sqe = {
        .opcode = IORING_OP_FILES_UPDATE, .off = slot + 1, .addr = (uintptr_t)fds, .len = 1};

    return try_one(&sqe);
}

static bool is_allowed(unsigned opcode)
{
    return opcode == IORING_OP_READV || opcode == IORING_OP_WRITEV || opcode == IORING_OP_READ ||
           opcode == IORING_OP_WRITE || opcode == IORING_OP_FSYNC || opcode == IORING_OP_FALLOCATE;
}

static long k25_all_opcodes(const struct evil *e)
{
    (void)e;
    for (unsigned opcode = 0; opcode < OPCODES; opcode++) {
        struct io_uring_sqe sqe = at_disk((uint8_t)opcode);
        int32_t r = is_allowed(opcode) ? -EACCES : try_one(&sqe);

        if (r != -EACCES && r != -EINVAL)
            return opcode;
    }
    return -EACCES;
}

static long k25_flag(unsigned flag)
{
    struct io_uring_sqe read = at_disk(IORING_OP_READ);

    read.flags = (uint8_t)(IOSQE_FIXED_FILE | flag);
    return try_one(&read);
}

static long k25_all_flags(const struct evil *e)
{
    (void)e;
    for (unsigned flags = 0; flags <= UINT8_MAX; flags++) {
        struct io_uring_sqe read = at_disk(IORING_OP_READ);
        int32_t r;

        read.flags = (uint8_t)flags;
        r = flags == IOSQE_FIXED_FILE ? -EACCES : try_one(&read);
        if (r >= 0) /* it would have read */
            return flags;
    }
    return -EACCES;
}

static long k25_drain(const struct evil *e)
{
    (void)e;
    return k25_flag(IOSQE_IO_DRAIN);
}

static long k25_link(const struct evil *e)
{
    (void)e;
    return k25_flag(IOSQE_IO_LINK);
}

static long k25_thread(const struct evil *e)
{
    (void)e;
    return k25_flag(IOSQE_ASYNC);
}

static long k25_personality(const struct evil *e)
{
    long r = -EINVAL;

    (void)e;
    for (unsigned i = 1; r == -EINVAL && i <= PERSONALITIES; i++) {
        struct io_uring_sqe read = at_disk(IORING_OP_READ);

        read.personality = (uint16_t)i;
        r = try_one(&read);
    }
    return r;
}

/* Indices out of range, a tail that jumps: the kernel's to see through. Nobody else reads them. */
static long k26_indices(const struct evil *e)
{
    uint32_t *tail = (uint32_t *)(void *)(ring.rings + ring.shape.sq_tail);
    uint32_t *array = (uint32_t *)(void *)(ring.rings + ring.shape.sq_array);

    (void)e;
    for (uint32_t i = 0; i < ring.shape.sq_entries; i++)
        array[i] = UINT32_MAX - i;
    __atomic_store_n(tail, *tail + 100000, __ATOMIC_RELEASE);
    (void)syscall(SYS_io_uring_enter, ring_fd, 100000, 0, 0, NULL, 0);
    *(uint32_t *)(void *)(ring.rings + ring.shape.cq_head) = UINT32_MAX / 3;
    (void)syscall(SYS_io_uring_enter, ring_fd, 100000, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    return EVIL_NO_EFFECT;
}

static long k24_register(const struct evil *e)
{
    long refused = -EACCES;

    (void)e;
    for (unsigned op = 0; op < REGISTER_OPS; op++) {
        static uint64_t arg[64];

        if (op != IORING_REGISTER_FILES_UPDATE &&
            syscall(SYS_io_uring_register, ring_fd, op, arg, 1) >= 0)
            return op;
        refused = -errno;
    }
    return refused;
}

/* Its own descriptors, into its own ring: all it could have of it is another way to what it has. */
static long k24_update(const struct evil *e)
{
    return ring_set_file(ring_fd, slot + 1, e->shared_fd);
}

/* clang-format off */
#define AT_RING(id, what, fn, outcome)                                                             \
    {                                                                                              \
        id, what, -1, {0}, fn, outcome, ON_STORAGE, outcome, ON_STORAGE, NULL, 0                   \
    }
#define ALL_AT_RING(id, what, fn, outcome)                                                         \
    {                                                                                              \
        id, what, -1, {0}, fn, outcome, ON_STORAGE, outcome, ON_STORAGE, "might do harm", 0        \
    }

static const struct attempt rows[] = {
    AT_RING("K25", "ring: read its disk", k25_own_disk, OUT_NO_EFFECT),
    AT_RING("K25", "ring: read by descriptor", k25_descriptor, OUT_REFUSED),
    AT_RING("K25", "ring: open", k25_open, OUT_REFUSED),
    AT_RING("K25", "ring: socket", k25_socket, OUT_REFUSED),
    AT_RING("K25", "ring: close", k25_close, OUT_REFUSED),
    AT_RING("K25", "ring: put a file into a slot", k25_update_slots, OUT_REFUSED),
    AT_RING("K25", "ring: linked", k25_link, OUT_REFUSED),
    AT_RING("K25", "ring: drained", k25_drain, OUT_REFUSED),
    AT_RING("K25", "ring: in a thread", k25_thread, OUT_REFUSED),
    ALL_AT_RING("K25", "ring: any other slot", k25_other_slots, OUT_REFUSED),
    ALL_AT_RING("K25", "ring: any other operation", k25_all_opcodes, OUT_REFUSED),
    ALL_AT_RING("K25", "ring: any other flags", k25_all_flags, OUT_REFUSED),
    ALL_AT_RING("K25", "ring: as somebody else", k25_personality, OUT_REFUSED),
    ALL_AT_RING("K26", "ring: indices of nowhere", k26_indices, OUT_NO_EFFECT),
    {"K24", "ring: register anything", -1, {0}, k24_register, OUT_REFUSED, 0, 0, ON_STORAGE, NULL, 0},
    {"K24", "ring: register a file", -1, {0}, k24_update, 0, 0, 0, ON_STORAGE, NULL, 0},
};
/* clang-format on */

const struct attempt_table attempts_ring = {rows, COUNT_OF(rows)};
