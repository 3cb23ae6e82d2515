/*
 * tests/fuzz/fuzz_line.c - a channel of a NIC whose worker dies before any of its stores, and of which a guest may
 * break the rings.
 *
 * Input: steps of u8 what, u8 how, u16 where, u32 value. In some of them the worker dies before the store into shared
 * memory that the step counts to (mortal.h): its stack is thrown away, and a successor opens the line again, which may
 * die itself.
 *
 * Promises to any guest: each call ends; the log holds together; no memory changes but the rings. To one that keeps the
 * rules besides: no message is sent twice; each is completed once, in order; no section is given while the guest has it;
 * at the end none is lost.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>

#include "base/rd.h"
#include "tests/fakes/guest_rings.h"
#include "tests/fuzz/mortal.h"
#include "workers/net/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STEPS = 96,
    STEP_BYTES = 8,
    PACKETS = 1024,             /* that a guest sends */
    MESSAGES = FRAMES_PART + 1, /* of a packet */
    BATCH = 8,
    SECTIONS = 64, /* of FRAMES_SECTIONS, that are used */
    GROUPS = 4,
    STORES = 128,   /* that somebody makes, at most, who dies */
    ROUNDS = 10000, /* of work, until all that is on its way has come */
    STATUS_AT = 4,
    SET = 0xcafe,
    KINDS =
        4, /* of packets, by their transactions: two with a frame, a control packet, one that nothing is due for */
    KIND_CONTROL = 2,
    KIND_SILENT = 3,
};

/* What a guest that keeps the rules knows. */
struct model {
    bool honest;
    uint32_t opening;
    unsigned sent,
        completed; /* transactions, from 0 on; of those, that were completed or need not be */
    uint8_t messages[PACKETS]; /* of each, that were sent */
    bool put_back[PACKETS];    /* it has more, which wait */
    bool has[SECTIONS];        /* the guest has it */
    uint16_t
        held[SECTIONS]; /* how many sections it got with that one; 0: it is not the first of some */
};

static uint8_t ram[RAM_PAGES * 4096] __attribute__((aligned(4096)));
static struct frames_page page;
static struct guest_rings guest;
static struct line line;
static struct model model;

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* --- death --- */

static jmp_buf grave;
static uint32_t left; /* stores, the last of them is not made; 0: it does not die */

void __real_gmem_pages_store(const struct gmem_pages *p, size_t offset, uint32_t value);
void __wrap_gmem_pages_store(const struct gmem_pages *p, size_t offset, uint32_t value);
void __real_gmem_pages_copy_out(const struct gmem_pages *p, size_t offset, const void *bytes,
                                size_t len);
void __wrap_gmem_pages_copy_out(const struct gmem_pages *p, size_t offset, const void *bytes,
                                size_t len);

void mortal_store(void)
{
    if (left > 0 && --left == 0)
        longjmp(grave, 1);
}

void __wrap_gmem_pages_store(const struct gmem_pages *p, size_t offset, uint32_t value)
{
    mortal_store();
    __real_gmem_pages_store(p, offset, value);
}

void __wrap_gmem_pages_copy_out(const struct gmem_pages *p, size_t offset, const void *bytes,
                                size_t len)
{
    mortal_store();
    __real_gmem_pages_copy_out(p, offset, bytes, len);
}

struct work {
    uint8_t what;
    uint32_t value;
};

/* False: it died before it had made so many stores. 0: it lives. */
static bool live(void (*act)(const struct work *w), const struct work *w, uint32_t stores)
{
    left = stores;
    if (setjmp(grave) != 0)
        return false;
    act(w);
    left = 0;
    return true;
}

/* --- the guest --- */

static void new_opening(void)
{
    memset(ram, 0, sizeof(ram));
    guest_rings_init(&guest, ram);
    memset(page.owners[0], 0, sizeof(page.owners[0])); /* as nic.c does it */
    model = (struct model){.honest = true, .opening = model.opening + 1};
}

static void guest_sends_packet(void)
{
    static const uint8_t payload[PACKET_BYTES];

    if (model.sent < PACKETS &&
        guest_send(&guest, model.sent % 2 == 0 ? 6 : 9, model.sent, NULL, 0, payload, PACKET_BYTES))
        model.sent++;
}

static void skip_silent(void)
{
    while (model.completed < model.sent && model.completed % KINDS == KIND_SILENT)
        model.completed++;
}

/* What the ring's next packet says, if it is a transfer: how many sections. */
static uint32_t ranges_of_next(void)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < sizeof(n); i++)
        n |= (uint32_t)*ring_byte(&guest, INCOMING, guest.received_to + 20 + i) << 8 * i;
    return n;
}

static void guest_gets(uint64_t transaction, uint32_t n)
{
    must(transaction >= 1 && n >= 1 && transaction - 1 + n <= SECTIONS);
    for (uint32_t i = 0; i < n; i++) {
        must(!model.has[transaction - 1 + i]);
        model.has[transaction - 1 + i] = true;
    }
    model.held[transaction - 1] = (uint16_t)n;
}

static bool guest_takes_one(void)
{
    uint32_t ranges = ranges_of_next();
    uint8_t payload[PACKET_BYTES];
    uint64_t transaction;
    uint16_t type;

    if (!guest_receive(&guest, &type, &transaction, payload))
        return false;
    if (type == 11) {
        skip_silent();
        must(transaction == model.completed && model.completed < model.sent);
        must(!model.put_back[transaction]);
        model.completed++;
    } else if (type == 7) {
        guest_gets(transaction, ranges);
    } else {
        must(type == 6);
    }
    return true;
}

static bool guest_gives_back(unsigned section)
{
    static const uint8_t payload[PACKET_BYTES];
    unsigned n = model.held[section];

    if (n == 0 || !guest_send(&guest, 11, section + 1u, NULL, 0, payload, 8))
        return false;
    for (unsigned i = 0; i < n; i++)
        model.has[section + i] = false;
    model.held[section] = 0;
    return true;
}

static void guest_breaks_rule(uint8_t how, uint16_t where, uint32_t value)
{
    static const uint8_t payload[PACKET_BYTES];

    model.honest = false;
    if ((how & 3) == 0)
        *ring_byte(&guest, OUTGOING, where) = (uint8_t)value;
    else if ((how & 3) == 1 && *control(&guest, OUTGOING, WRITE_INDEX) < RING_BYTES &&
             *control(&guest, OUTGOING, WRITE_INDEX) % 8 == 0 &&
             *control(&guest, OUTGOING, READ_INDEX) < RING_BYTES)
        (void)guest_send(&guest, 11, value, NULL, 0, payload, where % (PACKET_BYTES + 1u));
    else
        *control(&guest, how >> 2 & 1, how >> 3 & 3) = value;
}

/* --- the worker --- */

static enum line_kind kind_of(const struct vmring_packet *p)
{
    static const enum line_kind kinds[KINDS] = {LINE_FRAME, LINE_FRAME, LINE_CONTROL, LINE_NOTHING};

    return p->type == VMRING_COMPLETION ? LINE_GIVEN_BACK : kinds[p->transaction % KINDS];
}

/* What a round of work has taken. */
struct batch {
    unsigned n;
    struct {
        struct line_mark mark;
        uint64_t transaction;
        enum line_kind kind;
    } packets[BATCH];
};

/* As tx.c does it: a control packet is the first of its round, and the last. */
static void take_batch(struct batch *b, unsigned most)
{
    struct vmring_packet p;

    for (b->n = 0; b->n < most && line_next(&line, &p) == 0; b->n++) {
        enum line_kind kind = kind_of(&p);

        if (kind == LINE_CONTROL && b->n > 0)
            return;
        b->packets[b->n].mark = line_mark(&line);
        b->packets[b->n].kind = kind;
        b->packets[b->n].transaction = p.transaction;
        line_take(&line, &p, kind, 1);
        if (model.honest && kind != LINE_GIVEN_BACK)
            model.put_back[p.transaction] = false;
    }
}

/* From its part-th message on, up to that one. */
static void send(const struct line_mark *packet, uint64_t transaction, unsigned to)
{
    if (!model.honest)
        return;
    must(transaction < model.sent && model.messages[transaction] <= packet->part);
    model.messages[transaction] = (uint8_t)to;
}

/* All that is taken may be sent, but from some message on there is no room: that stays. */
static void send_batch(const struct batch *b, unsigned held, unsigned part)
{
    for (unsigned i = 0; i < b->n; i++) {
        const struct line_mark *mark = &b->packets[i].mark;

        if (b->packets[i].kind == LINE_GIVEN_BACK)
            continue;
        if (i == held && b->packets[i].kind != LINE_CONTROL) {
            send(mark, b->packets[i].transaction, part < mark->part ? mark->part : part);
            line_put_back(&line, mark, part < mark->part ? mark->part : part);
            if (model.honest)
                model.put_back[b->packets[i].transaction] = true;
            return;
        }
        send(mark, b->packets[i].transaction, MESSAGES);
    }
}

static void take_some(const struct work *w)
{
    struct batch b;

    if (w->value % 8 == 0) { /* frames are held back */
        (void)line_free_ahead(&line);
        return;
    }
    take_batch(&b, 1 + w->value / 8 % BATCH);
    line_taken(&line);
    send_batch(&b, w->value >> 8 & 0xf, w->value >> 12 & FRAMES_PART);
    (void)line_show_taken(&line);
    (void)line_free_sections(&line);
}

static void complete(const struct work *w)
{
    uint8_t completion[PACKET_BYTES] = {0};
    uint32_t number;
    bool signal = false;

    if (line.taken != line.done)
        line_set_status(&line, line.taken - 1, w->value);
    (void)line_complete(&line, completion, 8 + w->value % (PACKET_BYTES - 7), STATUS_AT);
    if (line_control(&line, &number))
        (void)line_tell(&line, completion, PACKET_BYTES, &signal);
}

static bool is_ours(unsigned section)
{
    bool ours = atomic_load(&page.owners[0][section]) == 0;

    must(!ours || !model.honest || !model.has[section]);
    return ours;
}

/* Sections that follow one another, from a place on that the input names. */
static unsigned choose_groups(uint32_t value, struct line_group groups[GROUPS])
{
    unsigned n = 0;
    unsigned at = value % SECTIONS;

    for (; n < 1 + value / SECTIONS % GROUPS && at < SECTIONS; at++) {
        struct line_group *g = &groups[n];
        unsigned wanted = 1 + (value >> (16 + 2 * n)) % 4;

        *g = (struct line_group){.first = (uint16_t)at};
        for (; g->n < wanted && at < SECTIONS && is_ours(at); at++)
            g->n++;
        g->n_ranges = g->n;
        n += g->n > 0;
    }
    return n;
}

static void give(const struct work *w)
{
    uint8_t payload[PACKET_BYTES] = {0};
    struct line_group groups[GROUPS];
    unsigned n = choose_groups(w->value, groups);
    bool signal = false;
    unsigned given = line_give(&line, groups, n, SET, payload, 40, w->value >> 31, &signal);

    must(given <= n);
}

static void say(const struct work *w)
{
    uint8_t payload[PACKET_BYTES] = {0};
    bool signal = false;

    (void)line_say(&line, payload, w->value % (PACKET_BYTES + 1), &signal);
    (void)line_look_for_room(&line);
}

static void work(const struct work *w)
{
    static void (*const all[])(const struct work *w) = {take_some, complete, give, say};

    if (line.open && !line.stopped)
        all[w->what % COUNT_OF(all)](w);
}

static void open_line(const struct work *w)
{
    struct vmbus_channel c = guest_channel(model.opening);
    bool resume = page.channels[0].opening == model.opening;
    int r = line_open(&line, &guest.memory, &c, guest.pfns, resume);

    (void)w;
    must(r == 0 || (resume && !model.honest && r == -EBADMSG && line.stopped));
    (void)line_free_sections(&line);
}

/* A successor knows nothing but what is in the shared memory. */
static void take_over(uint32_t stores)
{
    const struct work nothing = {0};

    do {
        memset(&line, 0xa5, sizeof(line));
        line.log = &page.channels[0];
        line.owners = page.owners[0];
        line.open = false;
        stores /= 2;
    } while (!live(open_line, &nothing, stores));
}

/* --- promises --- */

/* Whoever was given some has all of them, and no others have been given in between. */
static void check_owners(void)
{
    unsigned more = 0;

    for (unsigned i = 0; i < SECTIONS; i++) {
        uint16_t owner = atomic_load(&page.owners[0][i]);

        must((owner == FRAMES_MORE) == (more > 0));
        more = owner == FRAMES_MORE ? more - 1 : owner > 0 ? owner - 1u : 0;
    }
    must(more == 0);
}

static void check(void)
{
    must(line.open && line.taken - line.done <= FRAMES_SLOTS);
    must(line.read < RING_BYTES && line.read % 8 == 0);
    must(line.write < RING_BYTES && line.write % 8 == 0);
    must(!line.stopped || !model.honest);
    if (!line.stopped)
        check_owners();
    for (unsigned i = 0; model.honest && i < SECTIONS; i++)
        must(!model.has[i] || atomic_load(&page.owners[0][i]) != 0);
}

static void check_memory(void)
{
    static const uint8_t nothing[sizeof(ram) - 2 * RING_PAGES * 4096];

    must(memcmp(ram + 2 * RING_PAGES * 4096, nothing, sizeof(nothing)) == 0);
}

static bool is_settled(void)
{
    skip_silent();
    for (unsigned i = 0; i < SECTIONS; i++) {
        if (atomic_load(&page.owners[0][i]) != 0)
            return false;
    }
    return model.completed == model.sent;
}

/* Nobody dies any more, and the guest takes what there is: nothing is missing. */
static void settle_all(void)
{
    for (unsigned round = 0; model.honest && !is_settled(); round++) {
        const struct work some = {.value = 8 * (BATCH - 1) + 1 + 0xf00};

        must(round < ROUNDS);
        while (guest_takes_one())
            ;
        for (unsigned i = 0; i < SECTIONS; i++)
            (void)guest_gives_back(i);
        take_some(&some);
        complete(&some);
    }
}

static void step(uint8_t what, uint8_t how, uint16_t where, uint32_t value)
{
    const struct work w = {.what = how, .value = value};
    uint32_t stores = (what & 0x40) != 0 ? 1u + where % STORES : 0;

    switch (what % 16) {
    case 0:
        settle_all();
        check_memory();
        new_opening();
        take_over(0);
        break;
    case 1:
        take_over(stores);
        break;
    case 2:
        if ((what & 0x80) != 0) /* seldom */
            guest_breaks_rule(how, where, value);
        break;
    case 3:
    case 4:
        for (unsigned i = 0; model.honest && i <= how % 8u; i++)
            guest_sends_packet();
        break;
    case 5:
    case 6:
        for (unsigned i = 0; model.honest && i <= how % 8u && guest_takes_one(); i++)
            ;
        break;
    case 7:
    case 8:
        for (unsigned i = 0; model.honest && i <= how % 8u; i++)
            (void)guest_gives_back((value + i * 5) % SECTIONS);
        break;
    default:
        if (!live(work, &w, stores)) {
            while ((how & 0x80) != 0 && model.honest && guest_takes_one())
                ;
            take_over(value % STORES);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_over(data, size);

    memset(&page.channels[0], 0, sizeof(page.channels[0]));
    model.opening = 0;
    new_opening();
    take_over(0);
    for (unsigned left_steps = STEPS; left_steps > 0 && r.left >= STEP_BYTES; left_steps--) {
        uint8_t what = rd_u8(&r);
        uint8_t how = rd_u8(&r);
        uint16_t where = rd_le16(&r);
        uint32_t value = rd_le32(&r);

        step(what, how, where, value);
        check();
    }
    settle_all();
    check();
    check_memory();
    return 0;
}
