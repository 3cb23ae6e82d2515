/*
 * tests/fakes/hv.h - Hyper-V's surface over a guest of 1 MiB, with nothing behind it: the backend and the
 * vmbus worker are what the test says.
 */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/rd.h"
#include "base/wr.h"
#include "supervisor/hyperv/hv.h"

enum {
    FAKE_RAM_BYTES = 1 << 20, /* from address 0 */
    FAKE_VPS = 4,
    FAKE_TSC_KHZ = 2000 * 1000,
    FAKE_SIMP = 0x10000, /* of vp n: and n pages */
    FAKE_SIEFP = 0x20000,
    FAKE_VECTOR = 0xf3,
};

struct fake_hv {
    struct hv hv;
    struct gmem memory;
    struct vmbus_post posts[VPS_MAX];
    struct vmbus_outbox outbox;
    struct vmbus_synic synic;
    struct board board;
    struct port_client writer;
    /* what the backend was asked, and answers */
    unsigned n_routes, n_pages;
    uint8_t vectors[VPS_MAX];
    int route_error;
    bool long_mode;
    uint64_t tsc;
    /* what the vmbus worker was asked, and answers */
    unsigned n_posts, post_vp, n_later;
    uint32_t post_status;
    _Atomic bool ended;
    uint8_t *ram;
    struct board_page *board_page;
    struct port_page *writer_page;
};

static int fake_hv_route(void *self, unsigned vp, uint8_t vector)
{
    struct fake_hv *f = self;

    f->n_routes++;
    if (f->route_error == 0)
        f->vectors[vp] = vector;
    return f->route_error;
}

static bool fake_hv_long_mode(void *self, unsigned vp)
{
    const struct fake_hv *f = self;

    (void)vp;
    return f->long_mode;
}

static void fake_hv_page(void *self, bool long_mode, uint8_t bytes[HV_PAGE_BYTES])
{
    struct fake_hv *f = self;

    f->n_pages++;
    memset(bytes, long_mode ? 64 : 32, HV_PAGE_BYTES);
}

static uint64_t fake_hv_tsc(void *self, unsigned vp)
{
    const struct fake_hv *f = self;

    (void)vp;
    return f->tsc;
}

static uint32_t fake_hv_post(void *self, unsigned vp)
{
    struct fake_hv *f = self;

    f->n_posts++;
    f->post_vp = vp;
    return f->post_status;
}

static bool fake_hv_ended(void *self)
{
    struct fake_hv *f = self;

    return atomic_load(&f->ended);
}

static void fake_hv_later(void *self)
{
    struct fake_hv *f = self;

    f->n_later++;
}

static void *fake_hv_zeroed(size_t bytes)
{
    void *at = NULL;

    if (posix_memalign(&at, 4096, bytes) != 0)
        abort();
    memset(at, 0, bytes);
    return at;
}

static void fake_hv_config(struct fake_hv *f, struct hv_config *c)
{
    *c = (struct hv_config){
        .n_vps = FAKE_VPS,
        .memory = &f->memory,
        .posts = f->posts,
        .outbox = &f->outbox,
        .synic = &f->synic,
        .tsc_khz = FAKE_TSC_KHZ,
        .tsc_invariant = true,
        .board = &f->board,
        .backend = {.route = fake_hv_route,
                    .long_mode = fake_hv_long_mode,
                    .hypercall_page = fake_hv_page,
                    .tsc = fake_hv_tsc,
                    .self = f},
        .vmbus = {.post = fake_hv_post,
                    .ended = fake_hv_ended,
                    .deliver_later = fake_hv_later,
                    .self = f},
    };
    for (unsigned vp = 0; vp < FAKE_VPS; vp++)
        c->vp_irqs[vp] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    for (unsigned i = 0; i < VMBUS_DEVICES; i++)
        c->bells[i] = i < 2 ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
    c->writers[PROCESS_STORAGE] = &f->writer;
}

/* A new VM in the same place. */
static void fake_hv_reset(struct fake_hv *f, const struct hv_config *c)
{
    memset(f->ram, 0, FAKE_RAM_BYTES);
    memset(&f->outbox, 0, sizeof(f->outbox));
    board_attach(&f->board, f->board_page, 1);
    board_take_rows(&f->board);
    port_client_init(&f->writer, f->writer_page, -1);
    if (hv_init(&f->hv, c) < 0)
        abort();
}

/* Everything from nothing, each test anew. */
static struct fake_hv *fake_hv_new(void)
{
    struct fake_hv *f = fake_hv_zeroed(sizeof(*f));
    struct hv_config c;

    f->ram = fake_hv_zeroed(FAKE_RAM_BYTES);
    f->board_page = fake_hv_zeroed(sizeof(*f->board_page));
    f->writer_page = fake_hv_zeroed(sizeof(*f->writer_page));
    f->long_mode = true;
    if (gmem_add(&f->memory, (struct gpa){0}, FAKE_RAM_BYTES, f->ram) < 0)
        abort();
    fake_hv_config(f, &c);
    fake_hv_reset(f, &c);
    return f;
}

static inline void fake_hv_free(struct fake_hv *f)
{
    for (unsigned vp = 0; vp < FAKE_VPS; vp++)
        (void)close(f->hv.config.vp_irqs[vp]);
    for (unsigned i = 0; i < VMBUS_DEVICES; i++) {
        if (f->hv.config.bells[i] >= 0)
            (void)close(f->hv.config.bells[i]);
    }
    free(f->ram);
    free(f->board_page);
    free(f->writer_page);
    free(f);
}

/* How often an eventfd was written since the last look. */
static inline uint64_t fake_hv_rings(int fd)
{
    uint64_t n = 0;

    return read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n) ? n : 0;
}

static inline uint64_t fake_hv_interrupts(struct fake_hv *f, unsigned vp)
{
    return fake_hv_rings(f->hv.config.vp_irqs[vp]);
}

static inline uint32_t fake_hv_u32(const struct fake_hv *f, uint64_t gpa)
{
    struct rd r = rd_over(f->ram + gpa, 4);

    return rd_le32(&r);
}

static inline uint64_t fake_hv_u64(const struct fake_hv *f, uint64_t gpa)
{
    struct rd r = rd_over(f->ram + gpa, 8);

    return rd_le64(&r);
}

/* Where vp's messages of VMBus come. */
static inline uint8_t *fake_hv_slot(struct fake_hv *f, unsigned vp)
{
    return f->ram + FAKE_SIMP + (size_t)vp * HV_PAGE_BYTES + 256 * VMBUS_SINT;
}

/* As Linux does it on each processor. Returns the first error. */
static inline int fake_hv_enable(struct fake_hv *f, unsigned vp)
{
    int r = hv_msr_write(&f->hv, vp, 0x40000083, (FAKE_SIMP + (uint64_t)vp * HV_PAGE_BYTES) | 1);

    if (r == 0)
        r = hv_msr_write(&f->hv, vp, 0x40000082, (FAKE_SIEFP + (uint64_t)vp * HV_PAGE_BYTES) | 1);
    if (r == 0)
        r = hv_msr_write(&f->hv, vp, 0x40000090 + VMBUS_SINT, FAKE_VECTOR);
    return r < 0 ? r : hv_msr_write(&f->hv, vp, 0x40000080, 1);
}

/* As the vmbus worker does it: a message that says its number. */
static inline void fake_hv_message(struct fake_hv *f, unsigned vp)
{
    uint64_t n = atomic_load(&f->outbox.tail);
    struct vmbus_message *m = &f->outbox.entries[n % VMBUS_OUTBOX_ENTRIES];
    struct wr w = wr_over(m->payload, 8);

    memset(m, 0, sizeof(*m));
    m->vp = vp;
    m->len = 8;
    wr_le64(&w, n);
    atomic_store(&f->outbox.tail, n + 1);
}

/* As Linux takes a message: its number, or -1; *ret_pending: another one waits. The EOM is the caller's. */
static inline int64_t fake_hv_take(struct fake_hv *f, unsigned vp, bool *ret_pending)
{
    uint8_t *slot = fake_hv_slot(f, vp);
    struct rd r = rd_over(slot, 256);
    uint32_t type = rd_le32(&r);
    uint8_t len = rd_u8(&r);
    int64_t number;

    if (type != VMBUS_MESSAGE_TYPE || len != 8)
        return -1;
    (void)rd_span(&r, 11);
    number = (int64_t)rd_le64(&r);
    memset(slot, 0, 4);
    *ret_pending = (slot[5] & 1) != 0;
    return number;
}

/* Is there a line in the log that holds text? */
static inline bool fake_hv_logged(const struct fake_hv *f, const char *text)
{
    for (unsigned i = 0; i < BOARD_LOG_RECORDS; i++) {
        const struct board_record *record = &f->board_page->log[i];
        char line[BOARD_LOG_TEXT_BYTES + 1] = {0};

        memcpy(line, record->text, record->len);
        if (strstr(line, text) != NULL)
            return true;
    }
    return false;
}
