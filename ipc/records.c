#include "ipc/records.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "ipc/manifest.h"

/* --- words --- */

static const char *const causes[CAUSES] = {
    [CAUSE_CRASH] = "crash",
    [CAUSE_KILLED] = "killed from outside",
    [CAUSE_FORBIDDEN_CALL] = "forbidden system call",
    [CAUSE_REPLACED] = "replaced",
    [CAUSE_HANG] = "hang",
    [CAUSE_PROTOCOL] = "broke the protocol",
    [CAUSE_SANDBOX] = "sandbox not as it must be",
    [CAUSE_REFUSED] = "refused to serve",
    [CAUSE_START] = "did not start",
    [CAUSE_MEMORY] = "out of memory",
};

static const char *const doings[DOINGS] = {
    [DOING_PORT_IO] = "port I/O",       [DOING_MMIO] = "MMIO",
    [DOING_VMBUS] = "VMBus message",    [DOING_TPM] = "TPM command",
    [DOING_STORVSP] = "storage packet", [DOING_SCSI] = "SCSI command",
    [DOING_NVSP] = "NVSP message",      [DOING_RNDIS] = "RNDIS message",
};

static const struct event_row {
    const char *name;
    const char *numbers[EVENT_NUMBERS + 1];
} events[EVENT_KINDS] = {
    [EVENT_STARTING] = {"starting"            },
    [EVENT_RUNNING] = {"running"             },
    [EVENT_DIED] = {"died"                },
    [EVENT_SPARE_DIED] = {"spare died"          },
    [EVENT_RESTARTING] = {"restarting",           {"delay_ms"}},
    [EVENT_REPLACED] = {"replaced"                     },
    [EVENT_PARKED] = {"parked"},
    [EVENT_REVIVED] = {"revived"                     },
    [EVENT_DEAD] = {"dead"},
    [EVENT_SANDBOX_VERIFIED] = {"sandbox verified"                     },
    [EVENT_SANDBOX_FAILED] = {"sandbox failed"},
    [EVENT_STARTED] = {"started"                     },
    [EVENT_PAUSED] = {"paused"},
    [EVENT_RESUMED] = {"resumed"                     },
    [EVENT_LINK_UP] = {"link up", {"nic"}},
    [EVENT_LINK_DOWN] = {"link down",               {"nic"}},
    [EVENT_DISK_ADDED] = {"disk added",            {"controller", "lun"}},
    [EVENT_DISK_REMOVED] = {"disk removed",                      {"controller", "lun"}},
    [EVENT_DISK_RESIZED] = {"disk resized",{"controller", "lun"}},
    [EVENT_DISK_INSERTED] = {"disk inserted",         {"controller", "lun"}},
    [EVENT_DISK_EJECTED] = {"disk ejected",                      {"controller", "lun"}},
    [EVENT_GUEST_CRASH] = {"guest crash",            {"vcpu"}},
    [EVENT_POWER_OFF] = {"power off"       },
    [EVENT_RESET] = {"reset"                     },
    [EVENT_PANIC] = {"panic"},
    [EVENT_TRIPLE_FAULT] = {"triple fault"         },
    [EVENT_FAILED] = {"failed"                     },
};

const char *records_cause_name(unsigned cause)
{
    return cause < CAUSES ? causes[cause] : NULL;
}

const char *records_doing_name(unsigned doing)
{
    return doing < DOINGS ? doings[doing] : NULL;
}

const char *records_event_name(unsigned kind)
{
    return kind < EVENT_KINDS ? events[kind].name : NULL;
}

const char *const *records_event_numbers(unsigned kind)
{
    return events[kind < EVENT_KINDS ? kind : EVENT_NONE].numbers;
}

/* --- the writer --- */

static uint64_t real_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t records_add_event(struct records_page *page, struct event_record *event)
{
    uint64_t seq = atomic_load_explicit(&page->n_events, memory_order_relaxed) + 1;
    struct event_slot *slot = &page->events[seq % RECORDS_EVENTS];

    event->seq = seq;
    event->time_ns = real_ns();
    event->monotonic_ns = clock_now_ns();
    atomic_store_explicit(&slot->written, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    slot->event = *event;
    atomic_store_explicit(&slot->written, seq, memory_order_release);
    atomic_store_explicit(&page->n_events, seq, memory_order_release);
    return seq;
}

uint64_t records_add_crash(struct records_page *page, struct crash_record *crash)
{
    uint64_t seq = atomic_load_explicit(&page->n_crashes, memory_order_relaxed) + 1;
    struct crash_slot *slot = &page->crashes[seq % RECORDS_CRASHES];

    crash->seq = seq;
    crash->time_ns = real_ns();
    crash->monotonic_ns = clock_now_ns();
    atomic_store_explicit(&slot->written, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    slot->crash = *crash;
    atomic_store_explicit(&slot->written, seq, memory_order_release);
    atomic_store_explicit(&page->n_crashes, seq, memory_order_release);
    return seq;
}

/* --- a reader --- */

/* One of the two rings, as a reader sees it. */
struct ring {
    uint64_t newest;
    uint64_t n_slots;
    int (*read)(const struct records_page *page, uint64_t seq, void *ret);
};

/* Copied under the number of the slot: what the writer did meanwhile shows. */
static int copy(const _Atomic uint64_t *written, uint64_t seq, const void *from, void *to,
                size_t len)
{
    if (atomic_load_explicit(written, memory_order_acquire) != seq)
        return -ENOENT;
    memcpy(to, from, len);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(written, memory_order_relaxed) == seq ? 0 : -ENOENT;
}

static bool is_process(uint8_t process)
{
    return process < PROCESS_COUNT;
}

static int read_event(const struct records_page *page, uint64_t seq, void *ret)
{
    const struct event_slot *slot = &page->events[seq % RECORDS_EVENTS];
    struct event_record *event = ret;
    int r = copy(&slot->written, seq, &slot->event, event, sizeof(*event));

    if (r < 0)
        return r;
    if (event->seq != seq || records_event_name(event->kind) == NULL || event->cause >= CAUSES ||
        (!is_process(event->process) && event->process != RECORDS_VM))
        return -EBADMSG;
    return 0;
}

static void clean(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~')
            text[i] = '?';
    }
}

static int check_lines(struct crash_record *crash)
{
    if (crash->n_lines > RECORDS_LINES)
        return -EBADMSG;
    for (unsigned i = 0; i < crash->n_lines; i++) {
        struct crash_line *line = &crash->lines[i];

        if (line->len >= sizeof(line->text) || log_level_name(line->level) == NULL)
            return -EBADMSG;
        clean(line->text, line->len);
        line->text[line->len] = '\0';
    }
    return 0;
}

static int read_crash(const struct records_page *page, uint64_t seq, void *ret)
{
    const struct crash_slot *slot = &page->crashes[seq % RECORDS_CRASHES];
    struct crash_record *crash = ret;
    int r = copy(&slot->written, seq, &slot->crash, crash, sizeof(*crash));

    if (r < 0)
        return r;
    if (crash->seq != seq || !is_process(crash->process) ||
        records_cause_name(crash->cause) == NULL || crash->doing >= DOINGS || crash->has_code > 1 ||
        crash->is_spare > 1)
        return -EBADMSG;
    crash->build_id[RECORDS_BUILD_ID_BYTES - 1] = '\0';
    clean(crash->build_id, strlen(crash->build_id));
    return check_lines(crash);
}

/* Honest writers never come to the end of the numbers; whoever says that they did has nothing to tell. */
static int next(const struct records_page *page, const struct ring *ring, struct records_cursor *c,
                void *ret)
{
    if (ring->newest > UINT64_MAX / 2)
        return -EAGAIN;
    if (ring->newest > ring->n_slots && c->at < ring->newest - ring->n_slots) {
        c->lost += ring->newest - ring->n_slots - c->at;
        c->at = ring->newest - ring->n_slots;
    }
    while (c->at < ring->newest) { /* as often as there are slots */
        c->at++;
        if (ring->read(page, c->at, ret) == 0)
            return 0;
        c->lost++;
    }
    return -EAGAIN;
}

static struct ring events_of(const struct records_page *page)
{
    return (struct ring){atomic_load_explicit(&page->n_events, memory_order_acquire),
                         RECORDS_EVENTS, read_event};
}

static struct ring crashes_of(const struct records_page *page)
{
    return (struct ring){atomic_load_explicit(&page->n_crashes, memory_order_acquire),
                         RECORDS_CRASHES, read_crash};
}

static struct records_cursor oldest(const struct ring *ring)
{
    return (struct records_cursor){.at = ring->newest > ring->n_slots ? ring->newest - ring->n_slots
                                                                      : 0};
}

struct records_cursor records_oldest_event(const struct records_page *page)
{
    struct ring ring = events_of(page);

    return oldest(&ring);
}

struct records_cursor records_oldest_crash(const struct records_page *page)
{
    struct ring ring = crashes_of(page);

    return oldest(&ring);
}

int records_next_event(const struct records_page *page, struct records_cursor *c,
                       struct event_record *ret)
{
    struct ring ring = events_of(page);
    struct event_record event;
    int r = next(page, &ring, c, &event);

    if (r == 0)
        *ret = event;
    return r;
}

int records_next_crash(const struct records_page *page, struct records_cursor *c,
                       struct crash_record *ret)
{
    struct ring ring = crashes_of(page);
    struct crash_record crash;
    int r = next(page, &ring, c, &crash);

    if (r == 0)
        *ret = crash;
    return r;
}

int records_find_crash(const struct records_page *page, uint64_t number, struct crash_record *ret)
{
    struct crash_record crash;

    if (number == 0 || read_crash(page, number, &crash) < 0)
        return -ENOENT;
    *ret = crash;
    return 0;
}
