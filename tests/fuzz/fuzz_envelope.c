/*
 * tests/fuzz/fuzz_envelope.c - any datagram, with any number of descriptors, as a peer may send it
 * on a control channel: received, dispatched by a table of all message types, packed again.
 *
 * The first byte says how many descriptors come along. Promises checked: what is too long or too
 * much is refused; only a message that its row allows reaches a handler; nothing stays open; what
 * was understood can be sent again and is understood as the same.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macro.h"
#include "ipc/channel.h"
#include "ipc/dispatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    PHASE = 1,
    MOST_FDS = CHANNEL_MAX_FDS + 3,
    MOST_BYTES = CHANNEL_MAX_BYTES + 512,
};

/* What the handler saw. */
struct seen {
    Bulkhead__Envelope__BodyCase type;
    unsigned n_fds;
    unsigned calls;
};

/* Reads every byte that was unpacked: packing walks all of it. */
/* What is known of a message, packed; protobuf-c does not keep every unknown field as it was. */
static size_t pack_known(const Bulkhead__Envelope *e, uint8_t *out, size_t cap)
{
    Bulkhead__Envelope known = *e;
    ProtobufCMessage *body = &e->configure->base; /* of whatever type: each begins with it */
    unsigned n_unknown = body->n_unknown_fields;
    size_t len;

    known.base.n_unknown_fields = 0;
    body->n_unknown_fields = 0;
    len = bulkhead__envelope__get_packed_size(&known);
    if (len > cap)
        abort();
    (void)bulkhead__envelope__pack(&known, out);
    body->n_unknown_fields = n_unknown;
    return len;
}

static int handle(void *self, struct channel_msg *m)
{
    static uint8_t first[2 * CHANNEL_MAX_BYTES]; /* numbers may have been packed shorter */
    static uint8_t second[2 * CHANNEL_MAX_BYTES];
    struct seen *seen = self;
    size_t len = pack_known(m->envelope, first, sizeof(first));
    Bulkhead__Envelope *again = bulkhead__envelope__unpack(NULL, len, first);

    seen->type = m->envelope->body_case;
    seen->n_fds = m->n_fds;
    seen->calls++;
    if (again == NULL || again->body_case != seen->type ||
        pack_known(again, second, sizeof(second)) != len || memcmp(first, second, len) != 0)
        abort();
    bulkhead__envelope__free_unpacked(again, NULL);
    return 0;
}

static const struct dispatch_row rows[] = {
    {BULKHEAD__ENVELOPE__BODY_CONFIGURE,     0, 0, PHASE,     handle},
    {BULKHEAD__ENVELOPE__BODY_SPAWN,         0, 1, PHASE,     handle},
    {BULKHEAD__ENVELOPE__BODY_SPAWNED,       1, 1, PHASE,     handle},
    {BULKHEAD__ENVELOPE__BODY_SPAWN_FAILED,  0, 0, PHASE,     handle},
    {BULKHEAD__ENVELOPE__BODY_VERIFY,        0, 0, PHASE,     handle},
    {BULKHEAD__ENVELOPE__BODY_VERIFIED,      0, 0, PHASE,     handle},
    {BULKHEAD__ENVELOPE__BODY_KILL,          0, 0, PHASE + 1, handle},
    {BULKHEAD__ENVELOPE__BODY_GUEST_ENDED,   0, 0, PHASE,     handle},
    {BULKHEAD__ENVELOPE__BODY_READY,         0, 0, PHASE,     handle},
    {BULKHEAD__ENVELOPE__BODY_ACTIVATE,      0, 0, PHASE,     handle},
    {BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST, 0, 1, PHASE,     handle},
    {BULKHEAD__ENVELOPE__BODY_ADMIN_REPLY,   0, 0, PHASE,     handle},
};

static void send_datagram(int to, const uint8_t *bytes, size_t len, unsigned n_fds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * MOST_FDS)] = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (n_fds > 0) {
        struct cmsghdr *c;

        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        for (unsigned i = 0; i < n_fds; i++)
            memcpy(CMSG_DATA(c) + i * sizeof(int), &to, sizeof(to));
    }
    if (sendmsg(to, &msg, 0) != (ssize_t)len)
        abort();
}

static void check_row(const struct seen *seen)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].type == seen->type && rows[i].phases == PHASE &&
            seen->n_fds >= rows[i].min_fds && seen->n_fds <= rows[i].max_fds)
            return;
    }
    abort();
}

static uint64_t open_fds(void)
{
    uint64_t set = 0;

    for (int fd = 0; fd < 64; fd++)
        set |= (uint64_t)(fcntl(fd, F_GETFD) >= 0) << fd;
    return set;
}

static void receive(int from, size_t len, unsigned n_fds)
{
    struct channel_msg m = {0};
    struct seen seen = {0};
    int r = channel_recv(from, &m);

    if ((len > CHANNEL_MAX_BYTES || n_fds > CHANNEL_MAX_FDS) && r == 0)
        abort();
    if (r < 0)
        return;
    if (m.n_fds != n_fds)
        abort();
    r = dispatch(rows, COUNT_OF(rows), PHASE, &seen, &m);
    if (seen.calls != (r == 0 ? 1 : 0) || m.envelope != NULL)
        abort();
    if (seen.calls == 1)
        check_row(&seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned n_fds = size == 0 ? 0 : data[0] % (MOST_FDS + 1);
    uint64_t before = open_fds();
    int pair[2];

    if (size == 0 || size > MOST_BYTES || channel_pair(pair) < 0)
        return 0;
    send_datagram(pair[0], data + 1, size - 1, n_fds);
    receive(pair[1], size - 1, n_fds);
    (void)close(pair[0]);
    (void)close(pair[1]);
    if (open_fds() != before)
        abort();
    return 0;
}
