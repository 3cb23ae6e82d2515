#include "workers/debug/debug.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ipc/channel.h"
#include "workers/debug/page_walk.h"
#include "workers/debug/registers.h"

static const char *const kind_words[] = {
    [BULKHEAD__DEBUG_KIND__DEBUG_NONE] = "none",
    [BULKHEAD__DEBUG_KIND__DEBUG_GDB] = "gdb",
    [BULKHEAD__DEBUG_KIND__DEBUG_DUMP] = "dump",
    [BULKHEAD__DEBUG_KIND__DEBUG_REGISTERS] = "registers",
};

/* --- the guest, for GDB --- */

static int read_memory(void *self, uint64_t gpa, void *out, size_t len)
{
    const struct debug *d = self;

    return guest_memory_read(&d->memory, gpa, out, len);
}

static int write_memory(void *self, uint64_t gpa, const void *bytes, size_t len)
{
    const struct debug *d = self;

    return guest_memory_write(&d->memory, gpa, bytes, len);
}

static int get_regs(void *self, unsigned vcpu, struct guest_regs *ret)
{
    struct debug *d = self;

    return vcpus_read(&d->vcpus, vcpu, ret);
}

static int set_regs(void *self, unsigned vcpu, const struct guest_regs *regs)
{
    struct debug *d = self;

    return vcpus_write(&d->vcpus, vcpu, regs);
}

/* As the vCPU has it that GDB looks at. */
static int find_physical(struct debug *d, uint64_t address, uint64_t *ret)
{
    struct guest_regs regs;
    struct page_place place;
    int r = vcpus_read(&d->vcpus, d->gdb.vcpu, &regs);

    if (r == 0)
        r = page_walk(&d->guest, &regs, address, &place);
    if (r == 0)
        *ret = place.gpa;
    return r;
}

static int set_breaks(void *self, const struct guest_break *breaks, unsigned n)
{
    struct debug *d = self;
    uint64_t physical[GUEST_BREAKS_MAX] = {0};
    int r = 0;

    for (unsigned i = 0; r == 0 && d->traps && i < n; i++)
        r = find_physical(d, breaks[i].address, &physical[i]);
    return r < 0 ? r : vcpus_set_breaks(&d->vcpus, breaks, physical, n);
}

static int go(void *self, uint64_t those, uint64_t step)
{
    struct debug *d = self;

    return vcpus_go(&d->vcpus, those, step);
}

static int stop(void *self)
{
    struct debug *d = self;

    return vcpus_stop(&d->vcpus);
}

/* --- what is said --- */

static void say_end(struct debug *d, const char *text)
{
    d->kind = BULKHEAD__DEBUG_KIND__DEBUG_NONE;
    d->waits = false;
    d->out_kind = DEBUG_FRAME_END;
    d->out_len = strlen(text);
    memcpy(d->out, text, d->out_len);
    board_text(d->row_session, kind_words[d->kind]);
}

static void say_failed(struct debug *d, int err)
{
    char text[DEBUG_TEXT_MAX];

    (void)snprintf(text, sizeof(text), "the guest cannot be read: %s", strerror(-err));
    say_end(d, text);
}

/* All vCPUs' in one array. */
static int next_registers(struct debug *d, uint8_t *out)
{
    struct guest_regs regs;
    char text[REGISTERS_TEXT_MAX];
    size_t len;
    int n;
    int r;

    if (d->next_vcpu == d->vcpus.n)
        return -ENODATA;
    r = vcpus_read(&d->vcpus, d->next_vcpu, &regs);
    if (r < 0)
        return r;
    len = registers_text(d->next_vcpu, &regs, text);
    n = snprintf((char *)out, DEBUG_FRAME_MAX, "%s%.*s%s", d->next_vcpu == 0 ? "[" : ",\n",
                 (int)len, text, d->next_vcpu + 1 == d->vcpus.n ? "]\n" : "");
    d->next_vcpu++;
    return n;
}

/* The next bytes; 0: none now; -ENODATA: there will be no more. */
static int next_bytes(struct debug *d)
{
    int n;

    switch (d->kind) {
    case BULKHEAD__DEBUG_KIND__DEBUG_GDB:
        n = (int)gdb_output(&d->gdb, d->out, DEBUG_FRAME_MAX);
        return n == 0 && d->gdb.over ? -ENODATA : n;
    case BULKHEAD__DEBUG_KIND__DEBUG_DUMP:
        n = dump_next(&d->dump, &d->vcpus, d->out, DEBUG_FRAME_MAX);
        d->busy = n >= 0;
        return n;
    case BULKHEAD__DEBUG_KIND__DEBUG_REGISTERS:
        n = next_registers(d, d->out);
        d->busy = n >= 0;
        return n;
    case BULKHEAD__DEBUG_KIND__DEBUG_NONE:
    case _BULKHEAD__DEBUG_KIND_IS_INT_SIZE:
    default:
        return 0;
    }
}

static void make_frame(struct debug *d)
{
    int n = d->waits ? 0 : next_bytes(d);

    if (n == -ENODATA) {
        say_end(d, "");
    } else if (n < 0) {
        say_failed(d, n);
    } else if (n > 0) {
        d->out_kind = DEBUG_FRAME_DATA;
        d->out_len = (size_t)n;
    }
}

/* Send what there is. -EAGAIN: diag is to take some first. */
static int send_frame(struct debug *d)
{
    const struct debug_head head = {.session = d->vcpus.session, .kind = d->out_kind};
    int r = debug_frame_send(d->stream, head, d->out, d->out_len);

    if (r == 0)
        d->out_kind = 0;
    return r;
}

static int send_frames(struct debug *d)
{
    int r = 0;

    for (int i = 0; r == 0 && i < DEBUG_FRAMES; i++) {
        if (d->out_kind == 0)
            make_frame(d);
        if (d->out_kind == 0)
            break;
        r = send_frame(d);
    }
    return r == -EAGAIN ? 0 : r;
}

/* --- what is heard --- */

/* Did it take any? */
static bool feed_gdb(struct debug *d)
{
    const size_t n = gdb_input(&d->gdb, d->in + d->in_taken, d->in_len - d->in_taken);

    d->in_taken += n;
    if (d->in_taken == d->in_len)
        d->in_len = d->in_taken = 0;
    return n > 0;
}

static bool listens_to_gdb(const struct debug *d)
{
    return d->kind == BULKHEAD__DEBUG_KIND__DEBUG_GDB;
}

static bool listens(const struct debug *d)
{
    return listens_to_gdb(d) && d->in_len == 0;
}

/* Only GDB says anything; what diag says wrongly costs this session. */
static void read_stream(struct debug *d)
{
    uint32_t kind;
    int n = debug_frame_receive(d->stream, d->vcpus.session, &kind, d->in);

    if (n == -EAGAIN)
        return;
    if (n < 0 || kind != DEBUG_FRAME_DATA)
        say_end(d, "what came was no bytes for a debugger");
    else
        d->in_len = (size_t)n;
}

/* The guest stands still: what waited for that begins. */
static void on_still(struct debug *d)
{
    d->vcpus.stopped = false;
    d->waits = false;
    if (d->kind == BULKHEAD__DEBUG_KIND__DEBUG_GDB)
        gdb_stopped(&d->gdb, &d->vcpus.stop);
    else if (d->kind == BULKHEAD__DEBUG_KIND__DEBUG_DUMP)
        dump_begin(&d->dump, &d->memory, d->vcpus.n);
}

static void look_at_wait(struct debug *d)
{
    if (d->waits && clock_now_ns() > d->wait_ns + DEBUG_STOP_MS * NS_PER_MS)
        say_end(d, "the guest does not stop: a vCPU waits for a device; try again");
}

static int begin(struct debug *d, const Bulkhead__DebugBegin *b)
{
    if (b->vcpus == 0 || b->vcpus > VPS_MAX || b->kind <= BULKHEAD__DEBUG_KIND__DEBUG_NONE ||
        b->kind > BULKHEAD__DEBUG_KIND__DEBUG_REGISTERS)
        return -EPROTO;
    d->kind = b->kind;
    d->vcpus = (struct vcpus){.control = d->control, .session = b->session, .n = b->vcpus};
    d->guest.vcpus = b->vcpus;
    d->traps = b->traps != 0;
    d->in_len = d->in_taken = 0;
    d->out_kind = 0;
    d->next_vcpu = 0;
    d->waits = true;
    d->wait_ns = clock_now_ns();
    guest_memory_init(&d->memory, d->ram, b->memory_bytes);
    board_inc(d->row_sessions);
    board_text(d->row_session, kind_words[d->kind]);
    return d->kind == BULKHEAD__DEBUG_KIND__DEBUG_GDB ? gdb_begin(&d->gdb, &d->guest)
                                                      : vcpus_stop(&d->vcpus);
}

static void end_session(struct debug *d)
{
    d->kind = BULKHEAD__DEBUG_KIND__DEBUG_NONE;
    d->out_kind = 0;
    d->waits = false;
    d->vcpus = (struct vcpus){.control = d->control};
    board_text(d->row_session, kind_words[d->kind]);
}

static int read_control(struct debug *d)
{
    struct channel_msg m = {0};
    int r = channel_recv(d->control, &m);

    if (r < 0)
        return r == -EAGAIN ? 0 : r;
    if (m.envelope->body_case == BULKHEAD__ENVELOPE__BODY_DEBUG_BEGIN)
        r = begin(d, m.envelope->debug_begin);
    else if (m.envelope->body_case != BULKHEAD__ENVELOPE__BODY_DEBUG_REPLY) /* one too late */
        r = vcpus_hear(&d->vcpus, m.envelope);
    channel_msg_done(&m);
    return r == -ECANCELED || r == -EIO ? 0 : r;
}

/* --- life --- */

static int step(struct debug *d)
{
    int r = 0;

    d->busy = false;
    if (d->vcpus.over)
        end_session(d);
    if (d->vcpus.stopped)
        on_still(d);
    look_at_wait(d);
    r = send_frames(d);
    /* What was sent makes room for more answers. */
    while (r == 0 && d->out_kind == 0 && listens_to_gdb(d) && feed_gdb(d))
        r = send_frames(d);
    d->busy |= d->vcpus.stopped || d->vcpus.over; /* heard of while something was asked */
    if (r < 0)
        return r;
    return d->vcpus.failed ? -EPIPE : 0;
}

static int sleep_and_listen(struct debug *d)
{
    struct pollfd fds[] = {
        {.fd = d->control,                                      .events = POLLIN},
        {.fd = listens(d) || d->out_kind != 0 ? d->stream : -1,
         .events = (short)(d->out_kind != 0 ? POLLOUT : POLLIN)                 },
    };
    const bool more = d->busy && d->out_kind == 0;

    if (poll(fds, COUNT_OF(fds), more ? 0 : d->waits ? DEBUG_LOOK_MS : -1) < 0)
        return errno == EINTR ? 0 : -errno;
    if (listens(d) && (fds[1].revents & POLLIN) != 0)
        read_stream(d);
    return fds[0].revents != 0 ? read_control(d) : 0;
}

int debug_run(struct debug *d, struct board *board)
{
    int r = 0;

    d->board = board;
    d->row_sessions = board_add(board, BOARD_COUNTER, "sessions");
    d->row_session = board_add(board, BOARD_TEXT, "session");
    d->guest = (struct guest){.read = read_memory,
                              .write = write_memory,
                              .get_regs = get_regs,
                              .set_regs = set_regs,
                              .set_breaks = set_breaks,
                              .go = go,
                              .stop = stop,
                              .self = d};
    end_session(d);
    while (r == 0) {
        r = step(d);
        if (r == 0)
            r = sleep_and_listen(d);
    }
    return r;
}
