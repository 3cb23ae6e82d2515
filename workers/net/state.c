#include <errno.h>
#include <string.h>

#include "workers/net/net.h"

static void control_save(const struct control *c, struct wr *w)
{
    wr_le32(w, c->opening);
    wr_le32(w, c->number);
    wr_le32(w, c->answer_len);
    wr_bytes(w, c->answer, c->answer_len);
    wr_le32(w, c->reply_len);
    wr_bytes(w, c->reply, c->reply_len);
}

static int control_load(struct control *c, struct rd *r)
{
    struct control n = {0};

    n.opening = rd_le32(r);
    n.number = rd_le32(r);
    n.answer_len = rd_le32(r);
    if (n.answer_len > sizeof(n.answer))
        return -EBADMSG;
    rd_copy(r, n.answer, n.answer_len);
    n.reply_len = rd_le32(r);
    if (n.reply_len > sizeof(n.reply))
        return -EBADMSG;
    rd_copy(r, n.reply, n.reply_len);
    if (!rd_ok(r))
        return -EBADMSG;
    *c = n;
    return 0;
}

/* Of the NICs that there are: which, is the configuration's, and does not change. */
void state_save(const struct net *s, struct wr *w)
{
    for (unsigned i = 0; i < NETS_MAX; i++) {
        if (!s->nics[i].present)
            continue;
        nvsp_save(&s->nics[i].nvsp, w);
        control_save(&s->nics[i].control, w);
    }
}

int state_load(struct net *s, struct rd *r)
{
    struct nvsp nvsp[NETS_MAX];
    struct control control[NETS_MAX];
    int e = 0;

    for (unsigned i = 0; e == 0 && i < NETS_MAX; i++) {
        if (!s->nics[i].present)
            continue;
        e = nvsp_load(&nvsp[i], &s->nics[i].config, r);
        if (e == 0)
            e = control_load(&control[i], r);
    }
    if (e == 0)
        e = rd_finish(r);
    for (unsigned i = 0; e == 0 && i < NETS_MAX; i++) {
        if (!s->nics[i].present)
            continue;
        s->nics[i].nvsp = nvsp[i];
        s->nics[i].control = control[i];
    }
    return e;
}
