/*
 * tests/bench/vhost_blk.c - the same load on a vhost-user-blk server, which qemu-storage-daemon is.
 *
 *   vhost_blk SOCKET ARGUMENTS     as of disk_series_parse()
 *
 * One split queue in a memory that both share, indirect descriptors, event indices; kicks and calls are
 * eventfds, as a VMM would have KVM use them.
 *
 * @spec Virtio 1.2 2.7, 5.2; vhost-user (docs/interop/vhost-user.rst of QEMU)
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/shm.h"
#include "tests/bench/disk_series.h"
#include "tests/sim/halt_poll.h"

enum request {
    GET_FEATURES = 1,
    SET_FEATURES = 2,
    SET_OWNER = 3,
    SET_MEM_TABLE = 5,
    SET_VRING_NUM = 8,
    SET_VRING_ADDR = 9,
    SET_VRING_BASE = 10,
    SET_VRING_KICK = 12,
    SET_VRING_CALL = 13,
    GET_PROTOCOL_FEATURES = 15,
    SET_PROTOCOL_FEATURES = 16,
    SET_VRING_ENABLE = 18,
};

enum {
    MEMORY_BYTES = 64 << 20,
    QUEUE = 64,
    HEADERS_AT = 1 << 20, /* a header, a status and a table of descriptors for each slot */
    HEADER_BYTES = 256,
    STATUS_AT = 64,
    TABLE_AT = 128,
    DATA_AT = 2 << 20,
};

static const uint64_t GUEST_ADDRESS = UINT64_C(1) << 32; /* of the memory */
static const uint64_t FEATURES = UINT64_C(1) << 32 | UINT64_C(1) << 30 |
                                 UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX |
                                 UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC;

struct message {
    uint32_t request, flags, bytes;
    uint8_t body[256];
} __attribute__((packed));

struct peer {
    int socket, kick, call;
    int poll; /* of call */
    struct halt_poll halt;
    uint8_t *memory;
    struct vring ring;
    uint16_t available, shown, used;
    uint32_t bytes;
    uint64_t kicks, calls;
};

static int say_to(struct peer *p, enum request request, const void *body, uint32_t bytes, int fd)
{
    struct message m = {.request = (uint32_t)request, .flags = 1, .bytes = bytes};
    struct iovec iov = {.iov_base = &m, .iov_len = 12 + bytes};
    uint8_t control[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

    if (bytes > 0)
        memcpy(m.body, body, bytes);
    if (fd >= 0) {
        struct cmsghdr *c = (struct cmsghdr *)(void *)control;

        h.msg_control = control;
        h.msg_controllen = sizeof(control);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    return sendmsg(p->socket, &h, 0) < 0 ? -errno : 0;
}

static int ask(struct peer *p, enum request request, uint64_t *ret)
{
    struct message m;
    int r = say_to(p, request, NULL, 0, -1);

    if (r < 0)
        return r;
    if (recv(p->socket, &m, 12 + sizeof(*ret), MSG_WAITALL) != 12 + (ssize_t)sizeof(*ret))
        return -EPROTO;
    memcpy(ret, m.body, sizeof(*ret));
    return 0;
}

static int say_u64(struct peer *p, enum request request, uint64_t value, int fd)
{
    return say_to(p, request, &value, sizeof(value), fd);
}

static int say_state(struct peer *p, enum request request, uint32_t value)
{
    const uint32_t state[2] = {0, value};

    return say_to(p, request, state, sizeof(state), -1);
}

static int agree(struct peer *p)
{
    uint64_t features = 0, protocol = 0;
    int r = say_to(p, SET_OWNER, NULL, 0, -1);

    if (r == 0)
        r = ask(p, GET_FEATURES, &features);
    if (r == 0)
        r = ask(p, GET_PROTOCOL_FEATURES, &protocol);
    if (r == 0)
        r = say_u64(p, SET_PROTOCOL_FEATURES, protocol & 1, -1);
    if (r == 0)
        r = say_u64(p, SET_FEATURES, features & FEATURES, -1);
    return r;
}

static int share_memory(struct peer *p)
{
    int fd = memfd_create("vhost-blk", MFD_CLOEXEC);
    uint64_t table[5] = {1, GUEST_ADDRESS, MEMORY_BYTES, 0, 0};

    if (fd < 0 || ftruncate(fd, MEMORY_BYTES) < 0)
        return -errno;
    p->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (p->memory == MAP_FAILED)
        return -errno;
    table[3] = (uintptr_t)p->memory;
    vring_init(&p->ring, QUEUE, p->memory, 4096);
    return say_to(p, SET_MEM_TABLE, table, sizeof(table), fd);
}

static int start_queue(struct peer *p)
{
    const uint64_t addresses[5] = {0, (uintptr_t)p->ring.desc, (uintptr_t)p->ring.used,
                                   (uintptr_t)p->ring.avail, 0};
    uint64_t ignored;
    int r = say_state(p, SET_VRING_NUM, QUEUE);

    p->call = eventfd(0, EFD_CLOEXEC);
    p->poll = epoll_create1(EPOLL_CLOEXEC);
    p->kick = eventfd(0, EFD_CLOEXEC);
    if (epoll_ctl(p->poll, EPOLL_CTL_ADD, p->call, &(struct epoll_event){.events = EPOLLIN}) < 0)
        return -errno;
    if (r == 0)
        r = say_state(p, SET_VRING_BASE, 0);
    if (r == 0)
        r = say_to(p, SET_VRING_ADDR, addresses, sizeof(addresses), -1);
    if (r == 0)
        r = say_u64(p, SET_VRING_CALL, 0, p->call);
    if (r == 0)
        r = say_u64(p, SET_VRING_KICK, 0, p->kick);
    if (r == 0)
        r = say_state(p, SET_VRING_ENABLE, 1);
    return r < 0 ? r : ask(p, GET_FEATURES, &ignored); /* all of it was taken note of */
}

static int attach(struct peer *p, const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int r;

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    p->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->socket < 0 || connect(p->socket, (struct sockaddr *)&to, sizeof(to)) < 0)
        return -errno;
    r = agree(p);
    if (r == 0)
        r = share_memory(p);
    if (r == 0)
        r = start_queue(p);
    return r;
}

/* --- requests --- */

static uint64_t guest_address(const struct peer *p, const void *at)
{
    return GUEST_ADDRESS + (uint64_t)((const uint8_t *)at - p->memory);
}

static int begin(void *self, unsigned slot, bool write, uint64_t offset)
{
    struct peer *p = self;
    uint8_t *at = p->memory + HEADERS_AT + (size_t)slot * HEADER_BYTES;
    struct virtio_blk_outhdr *head = (void *)at;
    struct vring_desc *table = (void *)(at + TABLE_AT);
    uint8_t *data = p->memory + DATA_AT + (size_t)slot * p->bytes;

    *head = (struct virtio_blk_outhdr){.type = write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
                                       .sector = offset / 512};
    at[STATUS_AT] = 0xff;
    table[0] = (struct vring_desc){guest_address(p, head), sizeof(*head), VRING_DESC_F_NEXT, 1};
    table[1] =
        (struct vring_desc){guest_address(p, data), p->bytes,
                            (uint16_t)(VRING_DESC_F_NEXT | (write ? 0 : VRING_DESC_F_WRITE)), 2};
    table[2] = (struct vring_desc){guest_address(p, at + STATUS_AT), 1, VRING_DESC_F_WRITE, 0};
    p->ring.desc[slot] =
        (struct vring_desc){guest_address(p, table), 3 * sizeof(*table), VRING_DESC_F_INDIRECT, 0};
    p->ring.avail->ring[p->available++ % QUEUE] = (uint16_t)slot;
    return 0;
}

/* What the server wants to be kicked for stands behind its ring of used ones. */
static uint16_t wanted_event(const struct peer *p)
{
    const volatile uint8_t *at =
        (const volatile uint8_t *)p->ring.used + 4 + QUEUE * sizeof(struct vring_used_elem);

    return (uint16_t)(at[0] | at[1] << 8);
}

static int submit(void *self)
{
    static const uint64_t one = 1;
    struct peer *p = self;
    uint16_t event;

    if (p->available == p->shown)
        return 0;
    __atomic_store_n(&p->ring.avail->idx, p->available, __ATOMIC_RELEASE);
    atomic_thread_fence(memory_order_seq_cst);
    event = wanted_event(p);
    if (vring_need_event(event, p->available, p->shown)) {
        p->kicks++;
        if (write(p->kick, &one, sizeof(one)) < 0)
            return -errno;
    }
    p->shown = p->available;
    return 0;
}

static bool has_used(const struct peer *p)
{
    return __atomic_load_n(&p->ring.used->idx, __ATOMIC_ACQUIRE) != p->used;
}

/* By the same calls as the guest simulator, whose filter permits no others. */
static int sleep_until_called(struct peer *p)
{
    uint64_t n;

    *(volatile uint16_t *)&p->ring.avail->ring[QUEUE] = p->used;
    atomic_thread_fence(memory_order_seq_cst);
    if (has_used(p))
        return 0;
    p->calls++;
    if (!halt_poll_wait(&p->halt, p->poll, -1))
        return -errno;
    return read(p->call, &n, sizeof(n)) < 0 && errno != EAGAIN ? -errno : 0;
}

static int end(void *self, unsigned slots[DISK_SERIES_DEPTH_MAX])
{
    struct peer *p = self;
    int n = 0;

    while (!has_used(p)) {
        int r = sleep_until_called(p);

        if (r < 0)
            return r;
    }
    while (has_used(p) && n < DISK_SERIES_DEPTH_MAX) {
        unsigned slot = p->ring.used->ring[p->used++ % QUEUE].id;

        if (slot >= QUEUE ||
            p->memory[HEADERS_AT + (size_t)slot * HEADER_BYTES + STATUS_AT] != VIRTIO_BLK_S_OK)
            return -EIO;
        slots[n++] = slot;
    }
    return n;
}

static void say(void *self, const char *line)
{
    (void)self;
    (void)fputs(line, stdout);
}

static void counts(void *self, uint64_t *ret_kicks, uint64_t *ret_calls)
{
    const struct peer *p = self;

    *ret_kicks = p->kicks;
    *ret_calls = p->calls;
}

int main(int argc, char **argv)
{
    static struct peer p;
    struct disk_series s = {.who = "qemu-storage-daemon",
                            .begin = begin,
                            .submit = submit,
                            .end = end,
                            .say = say,
                            .counts = counts,
                            .self = &p};
    int r;

    if (argc != 3) {
        fprintf(stderr, "usage: vhost_blk SOCKET ARGUMENTS\n");
        return 2;
    }
    disk_series_parse(&s, argv[2]);
    p.bytes = s.bytes;
    p.halt.most_ns = s.halt_poll_ns;
    r = attach(&p, argv[1]);
    if (r == 0)
        r = disk_series_run(&s);
    if (r < 0)
        fprintf(stderr, "vhost_blk: %s\n", strerror(-r));
    return r < 0;
}
