/*
 * tests/fuzz/fuzz_trace.c - a ring of a time line on which somebody wrote what he likes, read, and told as JSON.
 *
 * The input: u64 written, u64 where the reader is, then records as they are, from the reader's place on. Promises checked: each
 * call ends; what is read has a word; a ring that does not change has an end; what comes of it is JSON, element by element;
 * an honest writer's next record comes through.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "ipc/trace.h"
#include "ipc/trace_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    HONEST = 4711,
    ELEMENTS_MAX = PROCESS_COUNT + VPS_MAX + 3,
};

static void tell(struct trace_record *r, uint32_t process, uint32_t ring)
{
    Bulkhead__TraceBatch batch;
    Bulkhead__TraceBatch *list[] = {&batch};
    Bulkhead__AdminAnswer a;
    struct trace_json_cursor c = {.answer = &a, .first = ring % 2 == 0};
    json_t *value;
    int n = 0;

    bulkhead__trace_batch__init(&batch);
    bulkhead__admin_answer__init(&a);
    batch.process = process;
    batch.ring = ring;
    batch.records = (ProtobufCBinaryData){.data = (uint8_t *)r, .len = sizeof(*r)};
    a.traces = list;
    a.n_traces = 1;
    while ((value = trace_json_next(&c)) != NULL) {
        char *text = json_dumps(value, 0);

        if (text == NULL || n++ > ELEMENTS_MAX)
            abort();
        free(text);
        json_decref(value);
    }
}

static bool read_all(struct trace_reader *reader)
{
    struct trace_record r;
    bool honest = false;
    int n = 0;

    while (trace_read(reader, &r) == 0) {
        if (trace_kind_name(r.kind) == NULL || n++ > TRACE_RECORDS)
            abort();
        honest = r.id == HONEST;
        if (n < 4)
            tell(&r, (uint32_t)r.id % (PROCESS_COUNT + 1), (uint32_t)r.value % (VPS_MAX + 1));
    }
    return honest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct trace_ring ring;
    static const _Atomic uint32_t on = 1;
    const struct trace_writer writer = {.on = &on, .ring = &ring};
    struct rd r = rd_over(data, size);
    struct trace_reader reader = {.ring = &ring};
    uint64_t at;

    memset(&ring, 0, sizeof(ring));
    ring.written = rd_le64(&r);
    reader.at = at = rd_le64(&r);
    for (; r.left >= sizeof(struct trace_record); at++) {
        struct span s = rd_span(&r, sizeof(struct trace_record));

        memcpy(&ring.records[at % TRACE_RECORDS], s.at, s.len);
    }
    (void)read_all(&reader);
    (void)read_all(&reader);
    trace_add(&writer, TRACE_TPM, HONEST, 0, 1, 1);
    if (!read_all(&reader))
        abort();
    return 0;
}
