#include "workers/vmbus/gpadl.h"

#include <errno.h>

#include "base/num.h"
#include "ipc/vmbus.h"

enum {
    PAGE_BYTES = 4096,
};

struct gpadl *gpadls_find(struct gpadls *g, uint32_t id)
{
    for (unsigned i = 0; i < GPADLS_MAX; i++) {
        if (g->rows[i].state != GPADL_FREE && g->rows[i].id == id)
            return &g->rows[i];
    }
    return NULL;
}

static enum process process_of(uint32_t relid)
{
    return vmbus_devices[vmbus_device_of(vmbus_index(relid))].process;
}

/* The first part of [at, at + pages) of the pool that is taken, or NULL. */
static const struct gpadl *taken(const struct gpadls *g, enum process p, uint32_t at,
                                 uint32_t pages)
{
    for (unsigned i = 0; i < GPADLS_MAX; i++) {
        const struct gpadl *row = &g->rows[i];

        if (row->state != GPADL_FREE && process_of(row->relid) == p &&
            range_overlap(at, pages, row->pool_at, row->pages))
            return row;
    }
    return NULL;
}

/* First fit: each step passes at least one row, so there are at most GPADLS_MAX. */
static int find_part(const struct gpadls *g, enum process p, uint32_t pages, uint32_t *ret)
{
    uint32_t at = 0;

    while (range_inside(at, pages, VMBUS_POOL_PAGES)) {
        const struct gpadl *row = taken(g, p, at, pages);

        if (row == NULL) {
            *ret = at;
            return 0;
        }
        at = row->pool_at + row->pages;
    }
    return -ENOBUFS;
}

static struct gpadl *free_row(struct gpadls *g, uint32_t relid)
{
    struct gpadl *found = NULL;
    unsigned of_channel = 0;

    for (unsigned i = 0; i < GPADLS_MAX; i++) {
        struct gpadl *row = &g->rows[i];

        if (row->state == GPADL_FREE)
            found = found == NULL ? row : found;
        else if (row->relid == relid)
            of_channel++;
    }
    return of_channel < GPADLS_PER_CHANNEL ? found : NULL;
}

int gpadls_add(struct gpadls *g, uint32_t relid, uint32_t id, uint32_t pages, struct gpadl **ret)
{
    struct gpadl *row = free_row(g, relid);
    uint32_t at = 0;
    int r;

    if (gpadls_find(g, id) != NULL)
        return -EEXIST;
    if (row == NULL || pages == 0 || pages > GPADL_PAGES_MAX)
        return -ENOBUFS;
    r = find_part(g, process_of(relid), pages, &at);
    if (r < 0)
        return r;
    *row = (struct gpadl){
        .state = GPADL_BUILDING, .id = id, .relid = relid, .pages = pages, .pool_at = at};
    *ret = row;
    return 0;
}

void gpadl_free(struct gpadl *one)
{
    *one = (struct gpadl){0};
}

void gpadls_free_of(struct gpadls *g, uint32_t relid)
{
    for (unsigned i = 0; i < GPADLS_MAX; i++) {
        if (g->rows[i].state != GPADL_FREE && g->rows[i].relid == relid)
            gpadl_free(&g->rows[i]);
    }
}

void gpadls_free_all(struct gpadls *g)
{
    *g = (struct gpadls){.epoch = g->epoch};
}

void gpadl_touch(struct gpadls *g, struct gpadl *one)
{
    one->epoch = ++g->epoch;
}

void gpadls_save(const struct gpadls *g, struct wr *w)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < GPADLS_MAX; i++)
        n += g->rows[i].state != GPADL_FREE;
    wr_le32(w, n);
    wr_le32(w, g->epoch);
    for (unsigned i = 0; i < GPADLS_MAX; i++) {
        const struct gpadl *row = &g->rows[i];

        if (row->state == GPADL_FREE)
            continue;
        wr_le32(w, i);
        wr_le32(w, row->state);
        wr_le32(w, row->id);
        wr_le32(w, row->relid);
        wr_le32(w, row->bytes);
        wr_le32(w, row->offset);
        wr_le32(w, row->pages);
        wr_le32(w, row->received);
        wr_le32(w, row->pool_at);
        wr_le32(w, row->epoch);
    }
}

static bool range_is_sound(const struct gpadl *row)
{
    uint64_t end = (uint64_t)row->offset + row->bytes;

    return row->bytes != 0 && row->offset < PAGE_BYTES &&
           (end + PAGE_BYTES - 1) / PAGE_BYTES == row->pages;
}

static bool is_sound(struct gpadls *so_far, const struct gpadl *row)
{
    return row->state > GPADL_FREE && row->state < GPADL_STATES && row->relid >= 1 &&
           row->relid <= VMBUS_CHANNELS && row->pages >= 1 && row->pages <= GPADL_PAGES_MAX &&
           (row->state == GPADL_BUILDING ? row->received < row->pages
                                         : row->received == row->pages) &&
           range_is_sound(row) && range_inside(row->pool_at, row->pages, VMBUS_POOL_PAGES) &&
           gpadls_find(so_far, row->id) == NULL &&
           taken(so_far, process_of(row->relid), row->pool_at, row->pages) == NULL;
}

static struct gpadl read_row(struct rd *r)
{
    struct gpadl row = {0};

    row.state = rd_le32(r);
    row.id = rd_le32(r);
    row.relid = rd_le32(r);
    row.bytes = rd_le32(r);
    row.offset = rd_le32(r);
    row.pages = rd_le32(r);
    row.received = rd_le32(r);
    row.pool_at = rd_le32(r);
    return row;
}

int gpadls_load(struct gpadls *g, struct rd *r, uint32_t schema)
{
    bool has_epochs = schema >= GPADLS_SCHEMA_EPOCHS;
    uint32_t n = rd_le32(r);
    struct gpadls loaded = {.epoch = has_epochs ? rd_le32(r) : 0};

    if (n > GPADLS_MAX)
        return -EBADMSG;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t place = has_epochs ? rd_le32(r) : i;
        struct gpadl row = read_row(r);

        row.epoch = has_epochs ? rd_le32(r) : 0;
        if (!rd_ok(r) || !is_sound(&loaded, &row) || place >= GPADLS_MAX ||
            loaded.rows[place].state != GPADL_FREE)
            return -EBADMSG;
        loaded.rows[place] = row;
    }
    *g = loaded;
    return 0;
}
