#include "ipc/capture.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/num.h"

enum {
    RECORD_MAX =
        CAPTURE_ALIGN + (CAPTURE_FRAME_MAX + CAPTURE_ALIGN - 1) / CAPTURE_ALIGN * CAPTURE_ALIGN,
    PASSED_OVER_MAX = 1024, /* records of others in one call */
};
_Static_assert((CAPTURE_RING_BYTES & (CAPTURE_RING_BYTES - 1)) == 0, "offsets are masked");
_Static_assert(4 * RECORD_MAX < CAPTURE_RING_BYTES, "some frames fit");

static uint64_t record_bytes(uint32_t captured)
{
    return sizeof(struct capture_record) + u64_align_up(captured, CAPTURE_ALIGN);
}

/* --- the writer --- */

/* Offset of a place, and how much of len is there in one piece. */
static size_t piece(uint64_t at, size_t len, size_t *ret)
{
    size_t offset = (size_t)(at & (CAPTURE_RING_BYTES - 1));

    *ret = len < CAPTURE_RING_BYTES - offset ? len : CAPTURE_RING_BYTES - offset;
    return offset;
}

uint8_t *capture_room(struct capture_writer *w, size_t len, size_t *ret)
{
    uint64_t at = w->at;
    size_t offset = piece(at, len, ret);

    w->at = at + *ret;
    return &w->page->ring[offset];
}

/* A record is aligned as the ring is: it never wraps. */
static void put_record(struct capture_writer *w, const struct capture_record *r)
{
    size_t whole;
    uint8_t *to = capture_room(w, sizeof(*r), &whole);

    assert(whole == sizeof(*r));
    memcpy(to, r, sizeof(*r));
}

/* From here on whoever reads what is overwritten must find out: begun is seen before any byte of it. */
static void set_begun(struct capture_page *page, uint64_t begun)
{
    atomic_store_explicit(&page->begun, begun, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

/*
 * What the writer before us died in, or we did not end, covers some old bytes, and readers know: it is made a record that is
 * nobody's. If it was no honest writer, all begins anew at the next unit.
 */
static void attach(struct capture_writer *w)
{
    uint64_t written = atomic_load(&w->page->written);
    uint64_t torn = atomic_load(&w->page->begun) - written;
    struct capture_record r = {.nic = CAPTURE_NOBODY};

    w->attached = true;
    if (written % CAPTURE_ALIGN != 0 || torn % CAPTURE_ALIGN != 0 || torn == CAPTURE_ALIGN ||
        torn > RECORD_MAX) {
        written = u64_align_up(written, CAPTURE_ALIGN);
        set_begun(w->page, written);
        atomic_store(&w->page->written, written);
        return;
    }
    if (torn == 0)
        return;
    r.captured = r.len = (uint32_t)torn - CAPTURE_ALIGN;
    w->at = written;
    put_record(w, &r);
    atomic_store_explicit(&w->page->written, written + torn, memory_order_release);
}

void capture_begin(struct capture_writer *w, const struct capture_record *r)
{
    struct capture_record record = *r;

    assert(r->captured > 0 && r->captured <= CAPTURE_FRAME_MAX && r->captured <= r->len &&
           r->nic < NETS_MAX);
    if (!w->attached || w->end != atomic_load_explicit(&w->page->written, memory_order_relaxed))
        attach(w);
    w->at = atomic_load_explicit(&w->page->written, memory_order_relaxed);
    w->end = w->at + record_bytes(r->captured);
    set_begun(w->page, w->end);
    record.number = atomic_load_explicit(&w->page->frames[r->nic], memory_order_relaxed) + 1;
    put_record(w, &record);
}

void capture_end(struct capture_writer *w, uint32_t nic)
{
    uint64_t n = atomic_load_explicit(&w->page->frames[nic], memory_order_relaxed);

    atomic_store_explicit(&w->page->frames[nic], n + 1, memory_order_release);
    atomic_store_explicit(&w->page->written, w->end, memory_order_release);
}

/* --- a reader --- */

/* Honest ones are units. */
static uint64_t written_of(const struct capture_page *page)
{
    return atomic_load_explicit(&page->written, memory_order_acquire) &
           ~(uint64_t)(CAPTURE_ALIGN - 1);
}

void capture_read_begin(struct capture_reader *r, const struct capture_page *page, uint32_t nic)
{
    *r = (struct capture_reader){.page = page, .nic = nic, .at = written_of(page)};
}

/* The number of the frame that comes next is known: those between are lost. */
static void count_to(struct capture_reader *r, uint64_t next)
{
    if (r->counts && next > r->next)
        r->lost += next - r->next;
    r->next = next;
    r->counts = true;
}

/* Nothing is there. When nobody writes, the count belongs to where we are: the writer stores it between begun and written. */
static int idle(struct capture_reader *r)
{
    uint64_t frames = atomic_load_explicit(&r->page->frames[r->nic], memory_order_acquire);

    if (atomic_load_explicit(&r->page->begun, memory_order_relaxed) == r->at)
        count_to(r, frames + 1);
    return -EAGAIN;
}

/* The newest place there is, so that it is not overtaken again at once. How many frames that costs, the next one says. */
static int go_on(struct capture_reader *r, uint64_t written)
{
    r->at = written;
    return -EINPROGRESS;
}

/* Was what was read since overwritten? */
static bool was_overtaken(const struct capture_reader *r)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&r->page->begun, memory_order_relaxed) - r->at > CAPTURE_RING_BYTES;
}

static void copy(const struct capture_page *page, uint64_t from, void *out, size_t len)
{
    size_t first;
    size_t offset = piece(from, len, &first);

    memcpy(out, &page->ring[offset], first);
    memcpy((uint8_t *)out + first, page->ring, len - first);
}

static bool is_record(const struct capture_record *record, uint64_t there)
{
    return record->captured > 0 && record->captured <= CAPTURE_FRAME_MAX &&
           record->captured <= record->len && record_bytes(record->captured) <= there;
}

/* The record is the NIC's: its frame. */
static int take(struct capture_reader *r, struct capture_record *record, uint8_t *bytes,
                uint32_t max)
{
    uint64_t after = r->at + record_bytes(record->captured);

    record->captured = record->captured < max ? record->captured : max;
    copy(r->page, r->at + sizeof(*record), bytes, record->captured);
    if (was_overtaken(r))
        return -EINPROGRESS;
    r->at = after;
    count_to(r, record->number);
    r->next = record->number + 1;
    return 0;
}

int capture_read(struct capture_reader *r, struct capture_record *ret, uint8_t *bytes, uint32_t max)
{
    uint64_t written = written_of(r->page);

    for (unsigned budget = PASSED_OVER_MAX; budget > 0; budget--) {
        uint64_t there = written - r->at;
        struct capture_record record;

        if (there == 0)
            return idle(r);
        if (there < sizeof(record) || there > CAPTURE_RING_BYTES)
            return go_on(r, written);
        copy(r->page, r->at, &record, sizeof(record));
        if (was_overtaken(r) || !is_record(&record, there))
            return go_on(r, written);
        if (record.nic == r->nic) {
            if (take(r, &record, bytes, max) < 0)
                return go_on(r, written);
            *ret = record;
            return 0;
        }
        r->at += record_bytes(record.captured);
    }
    return -EINPROGRESS;
}
