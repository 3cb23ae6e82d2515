#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/filters.h"
#include "base/heap.h"
#include "workers/storage/storage.h"

enum {
    HEAP_BYTES = 4 * 1024 * 1024, /* tables of images */
};

static int map(struct storage *s, enum object_kind kind, unsigned index, void **ret)
{
    return worker_map(s->worker, kind, index, ret);
}

static int map_pages(struct storage *s)
{
    void *disks, *log;
    int r = map(s, OBJECT_DISKS, 0, &disks);

    if (r == 0)
        r = map(s, OBJECT_INFLIGHT, 0, &log);
    if (r < 0)
        return r;
    s->disks = disks;
    s->log = log;
    return 0;
}

static int make_constants(struct storage *s)
{
    s->zeros = calloc(1, STORAGE_FILL_BYTES);
    if (s->zeros == NULL)
        return -ENOMEM;
    return getrandom(s->random, sizeof(s->random), 0) == (ssize_t)sizeof(s->random) ? 0 : -EIO;
}

static bool is_plain(const struct storage *s)
{
    return s->disks->plain_fd != 0;
}

static int take_ring(struct storage *s)
{
    const struct disks_page *d = s->disks;

    if (!is_plain(s))
        return uring_attach(&s->ring, worker_fd(s->worker, OBJECT_RING, 0), &d->ring);
    s->worker->filter = &storage_plain_filter;
    return uring_plain_attach(&s->plain, &s->ring, (int)d->plain_fd, d->plain_files,
                              s->bus.bell_fd);
}

int storage_setup(void *self, struct worker *w)
{
    struct storage *s = self;
    int r;

    s->worker = w;
    s->metadata = metadata_io(s);
    r = bus_setup(&s->bus, w, PROCESS_STORAGE);
    if (r == 0)
        r = map_pages(s);
    if (r == 0)
        r = make_constants(s);
    if (r == 0)
        r = take_ring(s);
    for (unsigned i = 0; i < INFLIGHT_CHANNELS; i++)
        s->flows[i].log = &s->log->channels[i];
    return r < 0 ? r : heap_take(HEAP_BYTES);
}

static void add_rows(struct storage *s)
{
    struct board *b = &s->worker->board;

    board_text(board_add(b, BOARD_TEXT, "io"), is_plain(s) ? "plain" : "io_uring");
    bus_add_rows(&s->bus);
    s->rows.stopped = board_add(b, BOARD_COUNTER, "channels/stopped");
    s->rows.drained = board_add(b, BOARD_COUNTER, "takeover/completed");
    s->rows.again = board_add(b, BOARD_COUNTER, "takeover/taken_up");
}

int storage_load(void *self, struct rd *state, uint32_t schema)
{
    struct storage *s = self;
    int r = 0;

    (void)schema;
    s->succeeds = state != NULL;
    if (state != NULL)
        r = state_load(s, state);
    if (r < 0 && s->worker->parked) { /* to serve errors, nothing need be known */
        state_forget(s);
        r = 0;
    }
    if (r == 0)
        add_rows(s);
    return r;
}

void storage_save(void *self, struct wr *w)
{
    state_save(self, w);
}

void storage_loop(void *self, struct worker *w)
{
    (void)w;
    storage_serve(self);
}
