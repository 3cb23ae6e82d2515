/*
 * tests/fuzz/fuzz_uring.c - a ring whose memory a predecessor has written into, and whose shape may be
 * nonsense; generations use it one after the other.
 *
 * Input: one byte, whether the shape comes from the input (then its eleven words follow), then steps of
 * u8 what, u32 value. The kernel's end is a fake that keeps numbers of its own, as the real one does.
 *
 * Promises: nothing outside the memory is touched, each call ends, and after a take-over nothing is
 * submitted that was not prepared since then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "tests/fakes/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STEPS = 64,
    TAKEN_MAX = 5000, /* more than there can be */
    OURS = 0x0a,      /* the upper byte of user_data that we prepare */
    FOREIGN_BYTES = 4096,
};

struct stage {
    struct fake_ring *fake;
    struct uring u;
    bool ours; /* taken over, and not written into since */
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Requests reach the kernel. */
static int32_t serve(void *self, const struct io_uring_sqe *sqe, const struct iovec *iov)
{
    (void)self;
    (void)iov;
    must(sqe->user_data >> 56 == OURS && sqe->flags == IOSQE_FIXED_FILE);
    return (int32_t)sqe->off;
}

static void prepare(struct stage *s, uint32_t value)
{
    static struct iovec iov;
    uint64_t user_data = (uint64_t)OURS << 56 | value;
    uint32_t room = uring_room(&s->u);
    int r;

    if (!s->ours)
        return; /* before a take-over a worker submits nothing */
    switch (value % 4) {
    case 0:
        r = uring_readv(&s->u, value, value, &iov, 1, user_data);
        break;
    case 1:
        r = uring_writev(&s->u, value, value, &iov, 1, (value & 16) != 0, user_data);
        break;
    case 2:
        r = uring_fdatasync(&s->u, value, user_data);
        break;
    default:
        r = uring_fallocate(&s->u, value, (int)value, value, value, user_data);
        break;
    }
    must(r == (room > 0 ? 0 : -ENOBUFS));
}

static void take_completions(struct stage *s, uint32_t n)
{
    struct uring_done d;
    uint32_t i = 0;

    while (i < n && uring_peek(&s->u, i, &d))
        i++;
    must(i <= s->u.shape.cq_entries);
    uring_advance(&s->u, i);
}

/* What a predecessor may do: any word of the rings, any byte of the requests. */
static void scribble(struct stage *s, uint32_t value, bool requests)
{
    uint8_t *at = requests ? (uint8_t *)s->fake->sqes : s->fake->rings;
    uint32_t len = requests ? sizeof(s->fake->sqes) : FAKE_RING_BYTES;
    uint32_t offset = (value & 0xffff) * 4 % len;

    if (!requests && (value & 0x80000000) != 0)
        offset = (value & 0xff) % 128; /* heads and tails */
    s->ours = false;
    memset(at + offset, (uint8_t)(value >> 16), len - offset < 4 ? len - offset : 4);
}

/* A successor. Whatever its predecessor left, it submits nothing but its question. */
static void take_over(struct stage *s)
{
    uint32_t submitted = s->fake->submitted;
    uint32_t probes = s->fake->probes;
    int r = fake_ring_attach(s->fake, &s->u);

    must(r == 0);
    s->ours = uring_take_over(&s->u) == 0;
    must(s->fake->submitted - submitted == s->fake->probes - probes);
}

static void step(struct stage *s, uint8_t what, uint32_t value)
{
    switch (what % 10) {
    case 0:
        prepare(s, value);
        break;
    case 1:
        if (s->ours)
            (void)!uring_submit(&s->u);
        break;
    case 2:
        take_completions(s, value % TAKEN_MAX);
        break;
    case 3:
        (void)!uring_fence(&s->u);
        break;
    case 4:
        (void)!uring_wait(&s->u, value, 0);
        break;
    case 5:
        s->fake->hold = !s->fake->hold;
        break;
    case 6:
        fake_ring_work(s->fake, value % 16);
        break;
    case 7:
        scribble(s, value, false);
        break;
    case 8:
        scribble(s, value, true);
        break;
    default:
        take_over(s);
        break;
    }
}

static void foreign_shape(struct rd *r, struct ring_shape *shape)
{
    uint32_t words[sizeof(*shape) / sizeof(uint32_t)];

    for (size_t i = 0; i < COUNT_OF(words); i++)
        words[i] = rd_le32(r);
    memcpy(shape, words, sizeof(words));
    shape->bytes %= FOREIGN_BYTES;
}

/* As much memory as the shape says: whatever is accepted stays inside. */
static void check_foreign(const struct ring_shape *shape)
{
    uint8_t *rings = NULL;
    struct io_uring_sqe *sqes = NULL;
    struct fake_ring *f = calloc(1, sizeof(*f));
    struct uring u;
    struct uring_done d;

    if (f == NULL || posix_memalign((void **)&rings, 64, shape->bytes + 1) != 0)
        abort();
    memset(rings, 0xff, shape->bytes);
    if (uring_attach_over(&u, shape, rings, NULL, fake_ring_enter, f) == 0) {
        sqes = calloc(shape->sq_entries, sizeof(*sqes));
        u.sqes = sqes;
        (void)!uring_room(&u);
        for (uint32_t i = 0; i < 8; i++)
            (void)!uring_peek(&u, i * 0x20000001u, &d);
        uring_advance(&u, 1);
        uring_bell(&u, false);
    }
    free(sqes);
    free(rings);
    free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fake_ring fake;
    struct stage s = {.fake = &fake};
    struct rd r = rd_over(data, size);

    if (rd_u8(&r) % 2 == 1) {
        struct ring_shape shape;

        foreign_shape(&r, &shape);
        check_foreign(&shape);
        return 0;
    }
    fake_ring_init(&fake);
    fake.serve = serve;
    take_over(&s);
    must(s.ours);
    for (int left = STEPS; left > 0 && r.left >= 5; left--) {
        uint8_t what = rd_u8(&r);
        uint32_t value = rd_le32(&r);

        step(&s, what, value);
    }
    fake_ring_done(&fake);
    return 0;
}
