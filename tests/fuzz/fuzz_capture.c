/*
 * tests/fuzz/fuzz_capture.c - a ring of captured frames on which a net worker that was taken over wrote what it likes.
 *
 * The input: u64 begun, u64 written, u64 where the reader is, u8 its NIC, then writes into the ring: u16 offset / 32 from
 * where the reader is, u8 length, bytes. Promises checked: each call ends; what is read is of that NIC and no longer than
 * a frame, nor than was asked for; no byte behind is touched; a ring that does not change has an end; an honest
 * successor's second frame comes through.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/rd.h"
#include "ipc/capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    /* All records of a ring, and what calls may do in vain beside them. */
    CALLS_MAX = CAPTURE_RING_BYTES / CAPTURE_ALIGN + 16,
    ROOM = 1 << 10,
    HONEST_BYTES = 60,
    GUARD = 0x5a,
};

static void scribble(struct capture_page *page, uint64_t from, struct rd *r)
{
    while (r->left > 0 && rd_ok(r)) {
        uint64_t at = from + (uint64_t)rd_le16(r) * CAPTURE_ALIGN;
        size_t len = rd_u8(r);
        struct span s = rd_span(r, len < r->left ? len : r->left);

        for (size_t i = 0; i < s.len; i++)
            page->ring[(at + i) & (CAPTURE_RING_BYTES - 1)] = s.at[i];
    }
}

/* To the end of what is there. True: a frame of an honest writer's was among it. */
static bool read_all(struct capture_reader *r)
{
    uint8_t bytes[ROOM + 1];
    bool seen = false;
    int calls = 0;

    for (int result = 0; result != -EAGAIN; calls++) {
        struct capture_record record;

        bytes[ROOM] = GUARD;
        result = capture_read(r, &record, bytes, ROOM);
        if (bytes[ROOM] != GUARD || calls > CALLS_MAX)
            abort();
        if (result != 0)
            continue;
        if (record.nic != r->nic || record.captured == 0 || record.captured > ROOM ||
            record.captured > record.len)
            abort();
        seen = record.captured == HONEST_BYTES && bytes[0] == GUARD &&
               bytes[HONEST_BYTES - 1] == GUARD;
    }
    return seen;
}

static void write_honest(struct capture_writer *w, uint32_t nic)
{
    const struct capture_record record = {
        .len = HONEST_BYTES, .captured = HONEST_BYTES, .nic = nic};

    capture_begin(w, &record);
    for (size_t left = record.captured, some; left > 0; left -= some) {
        uint8_t *to = capture_room(w, left, &some);

        memset(to, GUARD, some);
    }
    capture_end(w, nic);
}

/* One that costs no more than what the kernel has to zero. */
static struct capture_page *empty_page(void)
{
    static struct capture_page *page;

    if (page == NULL)
        page =
            mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || madvise(page, sizeof(*page), MADV_DONTNEED) < 0)
        abort();
    return page;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_over(data, size);
    struct capture_page *page = empty_page();
    struct capture_writer honest = {.page = page};
    struct capture_reader reader;
    uint64_t begun = rd_le64(&r);
    uint64_t written = rd_le64(&r);
    uint64_t at = rd_le64(&r);
    uint32_t nic = rd_u8(&r) % NETS_MAX;

    page->begun = begun;
    page->written = written;
    page->frames[nic] = begun ^ written;
    capture_read_begin(&reader, page, nic);
    reader.at = at;
    scribble(page, at, &r);
    (void)read_all(&reader);
    write_honest(&honest, nic);
    (void)read_all(&reader);
    write_honest(&honest, nic);
    if (!read_all(&reader))
        abort();
    return 0;
}
