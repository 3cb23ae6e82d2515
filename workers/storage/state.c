#include <errno.h>
#include <string.h>

#include "workers/storage/storage.h"

static bool is_plain(const struct scsi_state *state)
{
    static const struct scsi_state nothing;

    return memcmp(state, &nothing, sizeof(nothing)) == 0;
}

/* Which disks there are is kept as well: who takes over sees what has changed since. */
static bool is_kept(const struct unit *u)
{
    return u->present || u->was_there || !is_plain(&u->lun.state);
}

static void save_units(const struct storage *s, struct wr *w)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < STORAGE_UNITS; i++)
        n += is_kept(&s->units[i]);
    wr_le32(w, n);
    for (unsigned i = 0; i < STORAGE_UNITS; i++) {
        const struct unit *u = &s->units[i];

        if (!is_kept(u))
            continue;
        wr_le32(w, i);
        wr_le32(w, u->present || u->was_there ? 1 : 0);
        wr_le32(w, u->row.epoch);
        wr_bytes(w, u->row.identity, sizeof(u->row.identity));
        scsi_state_save(&u->lun.state, w);
    }
}

void state_save(const struct storage *s, struct wr *w)
{
    for (unsigned i = 0; i < DISK_CONTROLLERS; i++)
        controller_save(&s->controllers[i], w);
    wr_le32(w, s->last.channel);
    wr_le32(w, s->last.opening);
    wr_le32(w, s->last.seq);
    wr_le32(w, s->last.answer_len);
    wr_bytes(w, s->last.answer, sizeof(s->last.answer));
    wr_le32(w, s->to_tell);
    for (unsigned i = 0; i < COUNT_OF(s->unsynced); i++)
        wr_le64(w, s->unsynced[i]);
    save_units(s, w);
}

static int load_units(struct storage *s, struct rd *r)
{
    uint32_t n = rd_le32(r);

    if (n > STORAGE_UNITS)
        return -EBADMSG;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = rd_le32(r);
        struct unit *u = &s->units[at % STORAGE_UNITS];
        int e;

        u->was_there = rd_le32(r) != 0;
        u->row.epoch = rd_le32(r);
        rd_copy(r, u->row.identity, sizeof(u->row.identity));
        e = scsi_state_load(r, &u->lun.state);
        if (e < 0 || at >= STORAGE_UNITS)
            return -EBADMSG;
    }
    return 0;
}

int state_load(struct storage *s, struct rd *r)
{
    int e = 0;

    for (unsigned i = 0; e == 0 && i < DISK_CONTROLLERS; i++)
        e = controller_load(&s->controllers[i], r);
    s->last.channel = rd_le32(r);
    s->last.opening = rd_le32(r);
    s->last.seq = rd_le32(r);
    s->last.answer_len = rd_le32(r);
    rd_copy(r, s->last.answer, sizeof(s->last.answer));
    s->to_tell = rd_le32(r);
    for (unsigned i = 0; i < COUNT_OF(s->unsynced); i++)
        s->unsynced[i] = rd_le64(r);
    if (e == 0)
        e = load_units(s, r);
    if (e == 0 && s->last.answer_len > STORVSP_PACKET_BYTES)
        e = -EBADMSG;
    return e < 0 ? e : rd_finish(r);
}

void state_forget(struct storage *s)
{
    memset(s->controllers, 0, sizeof(s->controllers));
    memset(s->units, 0, sizeof(s->units));
    memset(s->unsynced, 0, sizeof(s->unsynced));
    s->to_tell = 0;
    s->last = (struct last_change){0};
}
