#include "ipc/trace.h"

#include <errno.h>
#include <string.h>

static const char *const names[TRACE_KINDS] = {
    [TRACE_EXIT_IO] = "exit: port I/O",  [TRACE_EXIT_MMIO] = "exit: MMIO",
    [TRACE_EXIT_MSR] = "exit: MSR",      [TRACE_EXIT_HYPERCALL] = "exit: hypercall",
    [TRACE_EXIT_OTHER] = "exit: other",  [TRACE_HOP] = "port hop",
    [TRACE_DISK_READ] = "disk read",     [TRACE_DISK_WRITE] = "disk write",
    [TRACE_DISK_OTHER] = "disk command", [TRACE_NET] = "net batch",
    [TRACE_TPM] = "TPM command",
};

unsigned trace_rings(enum process process)
{
    switch (process) {
    case PROCESS_SUPERVISOR:
        return VPS_MAX; /* a vCPU's thread each */
    case PROCESS_VTPM:
    case PROCESS_STORAGE:
    case PROCESS_NET:
        return 1;
    case PROCESS_INIT:
    case PROCESS_CHIPSET:
    case PROCESS_VMBUS:
    case PROCESS_DIAG:
    case PROCESS_DEBUG:
    case PROCESS_COUNT:
    default:
        return 0;
    }
}

const char *trace_kind_name(unsigned kind)
{
    return kind < TRACE_KINDS ? names[kind] : NULL;
}

static uint32_t clamp(uint64_t v)
{
    return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

void trace_write(const struct trace_writer *w, enum trace_kind kind, uint64_t id, uint64_t value,
                 uint64_t begin_ns, uint64_t took_ns)
{
    uint64_t n = atomic_load_explicit(&w->ring->written, memory_order_relaxed);

    w->ring->records[n % TRACE_RECORDS] = (struct trace_record){.begin_ns = begin_ns,
                                                                .id = id,
                                                                .took_ns = clamp(took_ns),
                                                                .value = clamp(value),
                                                                .kind = kind};
    atomic_store_explicit(&w->ring->written, n + 1, memory_order_release);
}

void trace_read_begin(struct trace_reader *r, const struct trace_ring *ring)
{
    *r = (struct trace_reader){.ring = ring,
                               .at = atomic_load_explicit(&ring->written, memory_order_acquire)};
}

/* The one that is being written next is nobody's to read. */
static bool is_overtaken(uint64_t written, uint64_t at)
{
    return written - at >= TRACE_RECORDS;
}

/* Far enough ahead that it is not overtaken again at once. A count that went backwards has nothing to tell before it. */
static void catch_up(struct trace_reader *r, uint64_t written)
{
    uint64_t to = written - TRACE_RECORDS / 2;

    if (written < r->at)
        to = written;
    else
        r->lost += to - r->at;
    r->at = to;
}

int trace_read(struct trace_reader *r, struct trace_record *ret)
{
    uint64_t written = atomic_load_explicit(&r->ring->written, memory_order_acquire);
    struct trace_record record;

    if (is_overtaken(written, r->at))
        catch_up(r, written);
    while (r->at != written) { /* as often as there are records */
        memcpy(&record, &r->ring->records[r->at % TRACE_RECORDS], sizeof(record));
        atomic_thread_fence(memory_order_acquire);
        if (is_overtaken(atomic_load_explicit(&r->ring->written, memory_order_relaxed), r->at)) {
            catch_up(r, written);
            return -EAGAIN; /* there is more at the next look */
        }
        r->at++;
        if (trace_kind_name(record.kind) != NULL) {
            *ret = record;
            return 0;
        }
        r->lost++;
    }
    return -EAGAIN;
}
