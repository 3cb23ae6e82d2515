/*
 * tests/fuzz/fuzz_hv_msr.c - sequences of MSR accesses, hypercalls and messages, with a guest that takes
 * its messages or does not, and a vmbus worker that is honest or, if the first byte says so, is not.
 *
 * The model: whatever the guest does to its registers, messages come to it in their order and none
 * twice; each is in its place or is still in the outbox; and what workers are shown is what the registers
 * say.
 *
 * Input: 1 byte of options, then records of 4 bytes: what, which, value.
 */
#include "tests/fakes/hv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    RECORD_BYTES = 4,
    RECORDS_MAX = 2000,
    OPTION_HOSTILE = 1,
    PAGES = FAKE_RAM_BYTES / HV_PAGE_BYTES,
};

struct model {
    struct fake_hv *f;
    bool hostile;
    int64_t last;     /* number of the last message that the guest has seen */
    uint64_t discard; /* those before this are not to come any more */
    uint64_t head;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static uint64_t msr(struct fake_hv *f, unsigned vp, uint32_t index)
{
    uint64_t v = 0;

    must(hv_msr_read(&f->hv, vp, index, &v) == 0);
    return v;
}

/* --- what must hold --- */

static uint64_t wanted(struct fake_hv *f, unsigned vp)
{
    uint64_t siefp = msr(f, vp, 0x40000082);
    uint64_t source = msr(f, vp, 0x40000092);

    if ((msr(f, vp, 0x40000080) & 1) == 0 || (siefp & 1) == 0)
        return 0;
    return ((siefp & ~UINT64_C(0xfff)) + 512) | SYNIC_ENABLED |
           ((source & 0x50000) == 0 ? SYNIC_UNMASKED : 0);
}

static void check(struct model *m)
{
    struct fake_hv *f = m->f;
    uint64_t head = atomic_load(&f->outbox.head);

    must(f->hv.head >= m->head);
    m->head = f->hv.head;
    must(m->hostile || head == m->head);
    must(m->hostile || head <= atomic_load(&f->outbox.tail));
    for (unsigned vp = 0; vp < FAKE_VPS; vp++) {
        uint64_t shown = atomic_load(&f->synic.vps[vp].flags_gpa);
        uint64_t page = shown & ~UINT64_C(0xfff);

        must(shown == wanted(f, vp));
        must(page <= FAKE_RAM_BYTES - HV_PAGE_BYTES);
        if ((shown & SYNIC_UNMASKED) != 0)
            must(f->vectors[vp] >= 16 && f->vectors[vp] == (uint8_t)msr(f, vp, 0x40000092));
    }
}

/* --- what the guest does --- */

static const uint32_t indices[] = {0x40000000, 0x40000001, 0x40000002, 0x40000020, 0x40000021,
                                   0x40000022, 0x40000073, 0x40000080, 0x40000081, 0x40000082,
                                   0x40000083, 0x40000084, 0x40000092, 0x40000093, 0x40000100,
                                   0x40000103, 0x40000104, 0x40000105, 0x40000118, 0x400000b0};

/* Pages of RAM mostly, now and then beyond; flags in the low bits. */
static uint64_t page_value(uint8_t a, uint8_t b)
{
    return (uint64_t)a % (PAGES + 1) << 12 | (b & 3);
}

static uint64_t value_for(uint32_t index, uint8_t a, uint8_t b)
{
    switch (index) {
    case 0x40000001:
    case 0x40000021:
    case 0x40000073:
        return page_value(a, b & 1);
    case 0x40000082:
    case 0x40000083:
        return page_value(a, b);
    case 0x40000092:
    case 0x40000093:
        return (uint64_t)b << 16 | a;
    case 0x40000105:
        return (uint64_t)b << 56;
    default:
        return (uint64_t)b << 8 | a;
    }
}

static void access_msr(struct model *m, unsigned vp, uint8_t which, uint8_t a, uint8_t b)
{
    uint32_t index = indices[which % COUNT_OF(indices)];
    uint64_t v;

    if ((which & 0x80) != 0)
        (void)!hv_msr_read(&m->f->hv, vp, index, &v);
    else
        (void)!hv_msr_write(&m->f->hv, vp, index, value_for(index, a, b));
}

/* Take what is in vp's place, as a guest does, wherever the place is now. */
static void take(struct model *m, unsigned vp, bool say)
{
    struct fake_hv *f = m->f;
    uint64_t simp = msr(f, vp, 0x40000083);
    uint8_t *slot = f->ram + (simp & ~UINT64_C(0xfff)) + 512;
    struct rd r = rd_over(slot + 16, 8);

    if ((simp & 1) == 0 || slot[0] != VMBUS_MESSAGE_TYPE || slot[4] != 8)
        return;
    /* Other pages that lie on this one may have been filled since: only a message of ours counts. */
    if (!m->hostile) {
        int64_t number = (int64_t)rd_le64(&r);

        if (memcmp(slot + 24, "message", 8) == 0) {
            must(number > m->last && (uint64_t)number < f->hv.head);
            m->last = number;
        }
    }
    memset(slot, 0, 4);
    memset(slot + 24, 0, 8); /* so that it is not taken for one again */
    if (say)
        must(hv_msr_write(&f->hv, vp, 0x40000084, 0) == 0);
}

/* --- what the worker does --- */

static void say(struct model *m, unsigned vp)
{
    struct fake_hv *f = m->f;
    uint64_t tail = atomic_load(&f->outbox.tail);

    if (!m->hostile && tail - atomic_load(&f->outbox.head) >= VMBUS_OUTBOX_ENTRIES)
        return;
    fake_hv_message(f, vp);
    memcpy(f->outbox.entries[tail % VMBUS_OUTBOX_ENTRIES].payload + 8, "message", 8);
}

static void lie(struct model *m, uint8_t which, uint8_t a, uint8_t b)
{
    struct vmbus_outbox *o = &m->f->outbox;
    struct vmbus_message *e = &o->entries[a % VMBUS_OUTBOX_ENTRIES];

    if (which % 6 == 0)
        atomic_store(&o->tail, atomic_load(&o->tail) + a - b);
    else if (which % 6 == 1)
        atomic_store(&o->discard, atomic_load(&o->tail) + a - b);
    else if (which % 6 == 2)
        atomic_store(&o->head, (uint64_t)b << (a % 64));
    else if (which % 6 == 3)
        e->vp = b;
    else if (which % 6 == 4)
        e->len = (uint32_t)b << (a % 24);
    else
        memset(e, b, sizeof(*e));
}

static void deliver(struct model *m)
{
    int64_t r = hv_deliver(&m->f->hv);

    must(m->hostile || r >= 0);
}

static void step(struct model *m, const uint8_t record[RECORD_BYTES])
{
    unsigned vp = record[0] >> 4 & 3;
    struct vm_hypercall h = {.control = record[1] % 4 == 0 ? 0x5c : 0x1005d,
                             .input = (uint64_t)record[2] << 12 | record[3],
                             .privileged = true};

    switch (record[0] & 0xf) {
    case 0:
    case 1:
        (void)hv_hypercall(&m->f->hv, vp, &h);
        break;
    case 2:
        if (m->hostile)
            lie(m, record[1], record[2], record[3]);
        break;
    case 3:
        if (!m->hostile) /* a new connection */
            atomic_store(&m->f->outbox.discard, atomic_load(&m->f->outbox.tail));
        break;
    case 4:
    case 5:
        say(m, vp);
        break;
    case 6:
    case 7:
        deliver(m);
        break;
    case 8:
    case 9:
        take(m, vp, record[1] % 2 == 0);
        break;
    case 10:
        (void)fake_hv_enable(m->f, vp);
        break;
    default:
        access_msr(m, vp, record[1], record[2], record[3]);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fake_hv *f;
    static struct hv_config config;
    struct model m = {.last = -1};

    if (f == NULL) {
        f = fake_hv_new();
        config = f->hv.config;
    }
    if (size < 1)
        return 0;
    fake_hv_reset(f, &config);
    m.f = f;
    m.hostile = (data[0] & OPTION_HOSTILE) != 0;
    data++;
    size--;
    for (unsigned i = 0; size >= RECORD_BYTES && i < RECORDS_MAX; i++) {
        step(&m, data);
        check(&m);
        data += RECORD_BYTES;
        size -= RECORD_BYTES;
    }
    return 0;
}
