/*
 * workers/vmbus/main.c - the vmbus worker: offers, channels and memory lists of VMBus. See README.md.
 *
 * Joins the state machine (vmbus.h) to the skeleton (worker.h): the guest's messages are requests on
 * the port, acknowledgements ring the bell. One thread.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filters.h"
#include "base/heap.h"
#include "ipc/records.h"
#include "workers/vmbus/vmbus.h"
#include "workers/worker.h"

enum {
    HEAP_BYTES = 96 * 1024, /* more than all that is allocated later */
};

static const uint64_t RETRY_NS = 5 * NS_PER_MS; /* the guest is slow to take its messages */

struct vmbus_worker {
    struct worker *worker;
    struct vmbus vmbus;
    const struct vmbus_post *posts;
    int bell_fd;
    int supervisor_bell_fd;
    int device_bell_fds[PROCESS_COUNT]; /* -1: no worker behind channels */
    struct {
        struct board_row *messages, *unknown, *malformed, *refused, *version, *phase, *open;
    } rows;
};

static int map(struct vmbus_worker *vw, enum object_kind kind, unsigned index, void **ret)
{
    return worker_map(vw->worker, kind, index, ret);
}

static int setup_device(struct vmbus_worker *vw, enum process p)
{
    void *channels, *acks;
    int r = map(vw, OBJECT_CHANNELS, p, &channels);

    vw->device_bell_fds[p] = -1;
    if (r == -ENOENT) /* not a worker behind channels */
        return 0;
    if (r == 0)
        r = map(vw, OBJECT_ACKS, p, &acks);
    if (r < 0)
        return r;
    vw->vmbus.shared[p] = channels;
    vw->vmbus.acks[p] = acks;
    vw->device_bell_fds[p] = worker_fd(vw->worker, OBJECT_BELL, p);
    return vw->device_bell_fds[p] < 0 ? -ENOENT : 0;
}

static int setup(void *self, struct worker *w)
{
    struct vmbus_worker *vw = self;
    void *posts, *outbox;
    int r = heap_take(HEAP_BYTES);

    if (r < 0)
        return r;
    vw->worker = w;
    vw->bell_fd = worker_fd(w, OBJECT_BELL, PROCESS_VMBUS);
    vw->supervisor_bell_fd = worker_fd(w, OBJECT_BELL, PROCESS_SUPERVISOR);
    if (vw->bell_fd < 0 || vw->supervisor_bell_fd < 0)
        return -ENOENT;
    r = map(vw, OBJECT_POSTS, 0, &posts);
    if (r == 0)
        r = map(vw, OBJECT_OUTBOX, 0, &outbox);
    for (enum process p = 0; r == 0 && p < PROCESS_COUNT; p++)
        r = setup_device(vw, p);
    if (r < 0)
        return r;
    vw->posts = posts;
    vw->vmbus.outbox = outbox;
    return 0;
}

static void add_rows(struct vmbus_worker *vw)
{
    struct board *b = &vw->worker->board;

    vw->rows.messages = board_add(b, BOARD_COUNTER, "messages");
    vw->rows.unknown = board_add(b, BOARD_COUNTER, "messages/unknown");
    vw->rows.malformed = board_add(b, BOARD_COUNTER, "messages/malformed");
    vw->rows.refused = board_add(b, BOARD_COUNTER, "messages/refused");
    vw->rows.version = board_add(b, BOARD_GAUGE, "version");
    vw->rows.phase = board_add(b, BOARD_TEXT, "connection");
    vw->rows.open = board_add(b, BOARD_GAUGE, "channels/open");
}

static void show(const struct vmbus_worker *vw)
{
    static const char *const phases[VMBUS_PHASES] = {
        [VMBUS_DISCONNECTED] = "none",
        [VMBUS_CONNECTED] = "connected",
        [VMBUS_OFFERED] = "channels offered",
        [VMBUS_RESETTING] = "closing channels",
    };
    const struct vmbus *v = &vw->vmbus;
    unsigned open = 0;

    for (unsigned i = 0; i < VMBUS_CHANNELS; i++)
        open += v->channels[i].state == CHANNEL_OPEN;
    board_set(vw->rows.messages, v->counters.messages);
    board_set(vw->rows.unknown, v->counters.unknown);
    board_set(vw->rows.malformed, v->counters.malformed);
    board_set(vw->rows.refused, v->counters.refused);
    board_set(vw->rows.version, v->version);
    board_text(vw->rows.phase, phases[v->phase]);
    board_set(vw->rows.open, open);
}

static void ring(int fd)
{
    static const uint64_t one = 1;

    if (fd >= 0)
        (void)!write(fd, &one, sizeof(one)); /* full means that it is rung already */
}

/* Tell everybody to look: what is new for whom is not worth knowing at this pace. */
static void released(void *self)
{
    struct vmbus_worker *vw = self;

    vmbus_publish(&vw->vmbus);
    ring(vw->supervisor_bell_fd);
    for (enum process p = 0; p < PROCESS_COUNT; p++)
        ring(vw->device_bell_fds[p]);
    show(vw);
}

static int load(void *self, struct rd *state, uint32_t schema)
{
    struct vmbus_worker *vw = self;
    int r = 0;

    vmbus_init(&vw->vmbus);
    if (state != NULL && !vw->worker->parked)
        r = vmbus_load(&vw->vmbus, state, schema);
    if (r < 0)
        return r;
    add_rows(vw);
    if (state != NULL && !vw->worker->parked)
        released(vw);  /* a predecessor may have died before it could */
    ring(vw->bell_fd); /* which it may have heard, and died before it looked */
    return 0;
}

static uint32_t type_of(const struct vmbus_post *post)
{
    struct rd r = rd_over(post->payload, sizeof(post->payload));

    return rd_le32(&r);
}

static enum access_result access_device(void *self, const struct port_request *rq, bool poison,
                                        struct port_response *rs)
{
    struct vmbus_worker *vw = self;
    enum hv_status status = HV_INVALID_PARAMETER;
    struct vmbus_post post;
    bool changed;

    rs->data = (uint64_t)status;
    if (vw->worker->parked || rq->space != PORT_SPACE_MESSAGE || rq->addr >= VPS_MAX)
        return ACCESS_CLEAN;
    if (poison)
        return ACCESS_CHANGED; /* the answer is for good: it is never tried again */
    post = vw->posts[rq->addr];
    region_set_doing(&vw->worker->region, DOING_VMBUS, type_of(&post));
    changed = vmbus_message(&vw->vmbus, &post, &status);
    changed |= vmbus_look(&vw->vmbus);
    board_log(&vw->worker->board, LOG_LEVEL_DEBUG, "message of type %u: status %u", type_of(&post),
              (unsigned)status);
    rs->data = (uint64_t)status;
    return changed ? ACCESS_CHANGED : ACCESS_CLEAN;
}

static void save(void *self, struct wr *w)
{
    const struct vmbus_worker *vw = self;

    vmbus_save(&vw->vmbus, w);
}

static unsigned poll_fds(void *self, struct pollfd *fds, unsigned max)
{
    const struct vmbus_worker *vw = self;

    (void)max;
    fds[0] = (struct pollfd){.fd = vw->bell_fd, .events = POLLIN};
    return 1;
}

static enum access_result polled(void *self, const struct pollfd *fds, unsigned n)
{
    struct vmbus_worker *vw = self;
    uint64_t rings;

    if (n == 1 && fds[0].revents != 0)
        (void)!read(vw->bell_fd, &rings, sizeof(rings));
    if (vw->worker->parked)
        return ACCESS_CLEAN;
    return vmbus_look(&vw->vmbus) ? ACCESS_CHANGED : ACCESS_CLEAN;
}

static uint64_t next_ns(void *self)
{
    const struct vmbus_worker *vw = self;

    return vmbus_is_blocked(&vw->vmbus) ? clock_now_ns() + RETRY_NS : UINT64_MAX;
}

static const struct worker_ops vmbus_ops = {
    .process = PROCESS_VMBUS,
    .filter = &vmbus_filter,
    .schema = VMBUS_SCHEMA,
    .schema_min = VMBUS_SCHEMA_MIN,
    .state_max = VMBUS_STATE_MAX,
    .setup = setup,
    .load = load,
    .access = access_device,
    .save = save,
    .released = released,
    .poll_fds = poll_fds,
    .polled = polled,
    .next_ns = next_ns,
};

int main(int argc, char **argv)
{
    static struct vmbus_worker vw; /* more than a stack should hold */

    return worker_main(&vmbus_ops, &vw, argc, argv);
}
