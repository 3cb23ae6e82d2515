/*
 * tests/fuzz/vmbus_model.h - what a guest of VMBus may expect, as a model that knows the protocol.
 *
 * It is told of each message that the worker took of the guest (asked()), of each that is committed
 * for the guest (saw()), and of what the device's worker has (held); it aborts when a promise breaks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "workers/vmbus/message.h"

enum {
    VPS = 4,
    IDS = 12,    /* names of lists that the guest uses */
    OPENS = 128, /* more than can be unanswered */
    RELID_END = VMBUS_CHANNELS + 1,
};

enum known {
    UNKNOWN,
    OFFERED,
    RESCINDED,
    GIVEN_BACK,
};

struct list {
    bool live, created, teardown;
    bool fresh; /* its first message is being answered */
    uint32_t relid, pages, sent;
    uint64_t serial;
};

/* What the device's worker has of a channel, as long as it has not acknowledged its close. */
struct held {
    bool held;
    uint32_t opening, pool_at, pages;
    uint64_t serial;
};

struct model {
    bool offered, contact, unload;
    bool answers_modify;
    bool lied; /* the device acknowledged what it was not told: then not all is promised */
    uint32_t asked_version;
    struct list lists[IDS];
    struct held held[VMBUS_CHANNELS];
    uint8_t known[RELID_END];
    bool opened[RELID_END]; /* asked for since it was offered */
    uint32_t modifies[RELID_END];
    uint32_t opens[OPENS][2]; /* relid (0: none) and open id */
    uint32_t last_type;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static uint32_t word(const uint8_t *bytes, unsigned at)
{
    uint32_t v;

    memcpy(&v, bytes + at, sizeof(v));
    return v;
}

/* --- what it makes of a committed message to the guest --- */

static bool nobody_holds(const struct model *o)
{
    for (unsigned i = 0; i < VMBUS_CHANNELS; i++) {
        if (o->held[i].held)
            return false;
    }
    return true;
}

static void saw_offer(struct model *o, const uint8_t *m)
{
    uint32_t relid = word(m, 184);

    must(relid >= 1 && relid < RELID_END);
    must(o->known[relid] == UNKNOWN || o->known[relid] == GIVEN_BACK);
    must(m[180] == (relid - 1) % 8 && word(m, 192) == (0x2000 | relid));
    o->known[relid] = OFFERED;
    o->opened[relid] = false;
}

static void saw_rescind(struct model *o, const uint8_t *m)
{
    uint32_t relid = word(m, 8);

    must(relid >= 1 && relid < RELID_END && o->known[relid] == OFFERED);
    must(o->lied || !o->held[relid - 1].held);
    o->known[relid] = RESCINDED;
}

static void saw_open_result(struct model *o, const uint8_t *m)
{
    for (unsigned i = 0; i < OPENS; i++) {
        if (o->opens[i][0] != word(m, 8) || o->opens[i][1] != word(m, 12))
            continue;
        o->opens[i][0] = 0;
        return;
    }
    abort();
}

static void saw_created(struct model *o, const uint8_t *m)
{
    uint32_t id = word(m, 12);
    struct list *l = &o->lists[id < IDS ? id : 0];

    must(id < IDS);
    if (word(m, 16) != 0) {
        if (l->fresh)
            *l = (struct list){0};
        return;
    }
    must(l->live && !l->created && l->relid == word(m, 8) && l->sent >= l->pages);
    l->created = true;
}

static void saw_torndown(struct model *o, const uint8_t *m)
{
    uint32_t id = word(m, 8);

    must(id < IDS && o->lists[id].live && o->lists[id].teardown);
    for (unsigned i = 0; i < VMBUS_CHANNELS && !o->lied; i++)
        must(!o->held[i].held || o->held[i].serial != o->lists[id].serial);
    o->lists[id] = (struct list){0};
}

static void saw_version(struct model *o, const uint8_t *m)
{
    must(o->contact && (o->lied || nobody_holds(o)));
    o->contact = false;
    o->answers_modify = m[8] != 0 && o->asked_version == 0x50003;
}

static void saw_unloaded(struct model *o, const uint8_t *m)
{
    (void)m;
    must(o->unload && (o->lied || nobody_holds(o)));
    o->unload = false;
}

static void saw_all_offers(struct model *o, const uint8_t *m)
{
    (void)m;
    must(!o->offered && !o->contact && !o->unload);
    o->offered = true;
}

static void saw_modified(struct model *o, const uint8_t *m)
{
    uint32_t relid = word(m, 8);

    must(o->answers_modify && relid >= 1 && relid < RELID_END && o->modifies[relid] > 0);
    o->modifies[relid]--;
}

static const struct {
    uint32_t type, len;
    void (*saw)(struct model *o, const uint8_t *m);
} answers[] = {
    {1,  196, saw_offer      },
    {2,  12,  saw_rescind    },
    {4,  8,   saw_all_offers },
    {6,  20,  saw_open_result},
    {10, 20,  saw_created    },
    {12, 12,  saw_torndown   },
    {15, 16,  saw_version    },
    {17, 8,   saw_unloaded   },
    {24, 16,  saw_modified   },
};

static void saw(struct model *o, const struct vmbus_message *m)
{
    o->last_type = word(m->payload, 0);
    must(m->vp < VPS && m->len <= VMBUS_MESSAGE_BYTES);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        if (answers[i].type != o->last_type)
            continue;
        must(m->len == answers[i].len && word(m->payload, 4) == 0);
        answers[i].saw(o, m->payload);
        return;
    }
    abort();
}

/* --- what it makes of the guest's own --- */

struct ask {
    uint32_t type, relid, id, pages, n, version;
    uint64_t serial;
    bool bad; /* must be refused */
};

static void begin_anew(struct model *o, const struct ask *a)
{
    o->contact = a->type == VMBUS_INITIATE_CONTACT;
    o->unload = a->type == VMBUS_UNLOAD;
    o->asked_version = a->version;
    o->offered = false;
    o->answers_modify = false;
    memset(o->lists, 0, sizeof(o->lists));
    memset(o->known, 0, sizeof(o->known));
    memset(o->modifies, 0, sizeof(o->modifies));
    memset(o->opens, 0, sizeof(o->opens));
}

static void forget_opens(struct model *o, uint32_t relid)
{
    for (unsigned i = 0; i < OPENS; i++) {
        if (o->opens[i][0] == relid)
            o->opens[i][0] = 0;
    }
}

static void asked_open(struct model *o, const struct ask *a)
{
    if (o->known[a->relid] == RESCINDED)
        return; /* nobody answers */
    o->opened[a->relid] = true;
    for (unsigned i = 0; i < OPENS; i++) {
        if (o->opens[i][0] != 0)
            continue;
        o->opens[i][0] = a->relid;
        o->opens[i][1] = a->n;
        return;
    }
    abort();
}

static void asked_release(struct model *o, const struct ask *a)
{
    if (o->known[a->relid] == RESCINDED)
        o->known[a->relid] = UNKNOWN;
    else if (o->known[a->relid] == OFFERED && !o->opened[a->relid])
        o->known[a->relid] = GIVEN_BACK;
    else
        return;
    for (unsigned i = 0; i < IDS; i++) {
        if (o->lists[i].relid == a->relid)
            o->lists[i] = (struct list){0};
    }
}

/* Of a list; its id is one of ours. */
static void asked_memory(struct model *o, const struct ask *a)
{
    struct list *l = &o->lists[a->id];

    if (a->type == VMBUS_GPADL_HEADER && !l->live && !a->bad)
        *l = (struct list){.live = true,
                           .fresh = true,
                           .relid = a->relid,
                           .pages = a->pages,
                           .sent = a->n,
                           .serial = a->serial};
    else if (a->type == VMBUS_GPADL_BODY && l->live && !l->created)
        l->sent += a->n;
    else if (a->type == VMBUS_GPADL_TEARDOWN && l->created && l->relid == a->relid)
        l->teardown = true;
}

/* What the model makes of a message that was taken. */
static void asked(struct model *o, const struct ask *a)
{
    if ((a->type == VMBUS_INITIATE_CONTACT && !a->bad) || a->type == VMBUS_UNLOAD) {
        begin_anew(o, a);
        return;
    }
    if (!o->offered)
        return;
    if (a->type == VMBUS_GPADL_HEADER || a->type == VMBUS_GPADL_BODY ||
        a->type == VMBUS_GPADL_TEARDOWN)
        asked_memory(o, a);
    if (a->relid < 1 || a->relid >= RELID_END)
        return;
    if (a->type == VMBUS_OPEN)
        asked_open(o, a);
    else if (a->type == VMBUS_CLOSE)
        forget_opens(o, a->relid);
    else if (a->type == VMBUS_RELID_RELEASED)
        asked_release(o, a);
    else if (a->type == VMBUS_MODIFY_CHANNEL && o->answers_modify)
        o->modifies[a->relid]++;
}

/* What was asked for has come. */
static void check_answers(const struct model *o)
{
    must(!o->contact && !o->unload);
    for (unsigned i = 0; i < IDS; i++)
        must(!o->lists[i].teardown &&
             (!o->lists[i].live || o->lists[i].created || o->lists[i].sent < o->lists[i].pages));
    for (unsigned i = 0; i < OPENS; i++)
        must(o->opens[i][0] == 0);
    for (unsigned i = 0; i < RELID_END; i++)
        must(o->modifies[i] == 0);
}
