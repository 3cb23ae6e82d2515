/*
 * workers/vmbus/main.c - the vmbus worker. See README.md.
 */
#include <poll.h>
#include <unistd.h>

#include "base/filters.h"
#include "workers/worker.h"

static int setup(void *self, struct worker *w)
{
    int *bell_fd = self;

    *bell_fd = worker_fd(w, OBJECT_BELL, PROCESS_VMBUS);
    return 0;
}

static int load(void *self, struct rd *state, uint32_t schema)
{
    (void)self;
    (void)state;
    (void)schema;
    return 0;
}

static enum access_result access_device(void *self, const struct port_request *rq, bool poison,
                                        struct port_response *rs)
{
    (void)self;
    (void)rq;
    (void)poison;
    rs->data = 0x12;
    return ACCESS_CLEAN;
}

static void save(void *self, struct wr *w)
{
    (void)self;
    wr_u8(w, 0);
}

static unsigned poll_fds(void *self, struct pollfd *fds, unsigned max)
{
    const int *bell_fd = self;

    (void)max;
    fds[0] = (struct pollfd){.fd = *bell_fd, .events = POLLIN};
    return 1;
}

static enum access_result polled(void *self, const struct pollfd *fds, unsigned n)
{
    const int *bell_fd = self;
    uint64_t rings;

    if (n == 1 && fds[0].revents != 0)
        (void)!read(*bell_fd, &rings, sizeof(rings));
    return ACCESS_CLEAN;
}

static const struct worker_ops ops = {
    .process = PROCESS_VMBUS,
    .filter = &vmbus_filter,
    .schema = 1,
    .schema_min = 1,
    .state_max = 16,
    .setup = setup,
    .load = load,
    .access = access_device,
    .save = save,
    .poll_fds = poll_fds,
    .polled = polled,
};

int main(int argc, char **argv)
{
    int bell_fd = -1;

    return worker_main(&ops, &bell_fd, argc, argv);
}
