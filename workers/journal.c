#include "workers/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void answer_save(const struct port_response *rs, struct wr *out)
{
    wr_le64(out, rs->seq);
    wr_le64(out, rs->data);
    wr_le64(out, rs->effect);
}

static void answer_load(struct rd *in, struct port_response *ret)
{
    ret->seq = rd_le64(in);
    ret->data = rd_le64(in);
    ret->effect = (uint32_t)rd_le64(in);
}

static void set_answer(struct worker *w, unsigned slot, const struct port_response *rs)
{
    w->answered[slot] = *rs;
    if (slot >= w->n_answered)
        w->n_answered = slot + 1;
}

static void answers_save(const struct worker *w, struct wr *out)
{
    wr_le32(out, w->n_answered);
    for (unsigned i = 0; i < w->n_answered; i++)
        answer_save(&w->answered[i], out);
}

static int answers_load(struct worker *w, struct rd *in)
{
    uint32_t n = rd_le32(in);

    if (n > PORT_SLOTS)
        return -EBADMSG;
    w->n_answered = n;
    for (unsigned i = 0; i < n; i++)
        answer_load(in, &w->answered[i]);
    return rd_ok(in) ? 0 : -EBADMSG;
}

/* A record is a slot, its answer, and what the device logged. */
static int take_record(struct worker *w, struct rd *in, int (*take)(void *self, struct rd *record))
{
    struct port_response answer;
    uint32_t slot;

    slot = rd_le32(in);
    answer_load(in, &answer);
    if (!rd_ok(in) || slot >= PORT_SLOTS)
        return -EBADMSG;
    set_answer(w, slot, &answer);
    return take(w->self, in);
}

int journal_each_record(struct worker *w, int (*take)(void *self, struct rd *record))
{
    uint8_t copy[REGION_RECORD_MAX];
    int r = 0;

    for (unsigned i = 0; r == 0 && i < w->region.n_records; i++) {
        size_t len;
        struct rd in;

        r = region_log_read(&w->region, i, copy, &len);
        if (r < 0)
            break;
        in = rd_over(copy, len);
        r = take_record(w, &in, take);
    }
    explicit_bzero(copy, sizeof(copy));
    return r;
}

void journal_commit(struct worker *w)
{
    struct wr out = wr_over(region_stage(&w->region), w->region.cap);
    size_t len;

    answers_save(w, &out);
    w->ops->save(w->self, &out);
    if (wr_finish(&out, &len) < 0)
        abort(); /* our own save() passed its own limit: nothing may be acknowledged any more */
    region_commit(&w->region, len, w->ops->schema);
    board_inc(w->row_commits);
}

/* The copy lives only here; a device that keeps secrets wipes what it loads from. */
int journal_load(struct worker *w)
{
    size_t len = 0;
    uint8_t *copy = malloc(w->region.cap);
    struct rd in;
    int r;

    if (copy == NULL)
        return -ENOMEM;
    r = region_load(&w->region, copy, w->region.cap, &len);
    if (r == -ENOENT) {
        r = w->ops->load(w->self, NULL, w->ops->schema);
    } else if (r == 0) {
        in = rd_over(copy, len);
        r = answers_load(w, &in);
        if (r == 0)
            r = w->ops->load(w->self, &in, region_schema(&w->region));
    }
    explicit_bzero(copy, len);
    free(copy);
    return r;
}

/* False: it has to be a commit. */
static bool log_answer(struct worker *w, unsigned slot)
{
    uint8_t *at = region_log_stage(&w->region);
    struct wr out;
    size_t len;

    if (at == NULL)
        return false;
    out = wr_over(at, REGION_RECORD_MAX);
    wr_le32(&out, slot);
    answer_save(&w->answered[slot], &out);
    w->ops->log(w->self, &out);
    if (wr_finish(&out, &len) < 0)
        return false;
    region_log_append(&w->region, len);
    board_inc(w->row_logged);
    return true;
}

void journal_answer(struct worker *w, unsigned slot, const struct port_response *rs,
                    enum access_result result)
{
    set_answer(w, slot, rs);
    if (result != ACCESS_LOGGED || !log_answer(w, slot))
        journal_commit(w);
}
