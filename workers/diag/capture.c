#include "workers/diag/capture.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "ipc/channel.h"
#include "workers/diag/diag.h"
#include "workers/diag/session.h"

/* A datagram that is being filled. */
struct parts {
    Bulkhead__FramePart rows[CAPTURE_PARTS];
    Bulkhead__FramePart *list[CAPTURE_PARTS];
    size_t n;
    uint8_t bytes[ANSWER_MAX_BYTES];
    size_t used; /* of a datagram */
};

enum {
    ANSWER_OVERHEAD = 64,
};

static size_t room(const struct parts *p)
{
    size_t taken = ANSWER_OVERHEAD + p->used + CAPTURE_PART_OVERHEAD;

    return p->n == CAPTURE_PARTS || taken >= ANSWER_MAX_BYTES ? 0 : ANSWER_MAX_BYTES - taken;
}

/* A frame that is not told to its end; false: there is none now, or none that was found soon. */
static bool find_frame(struct capture_answer *c)
{
    int r = -EINPROGRESS;

    if (c->sent < c->frame.captured)
        return true;
    for (int budget = CAPTURE_LOOKS; budget > 0 && r == -EINPROGRESS; budget--)
        r = capture_read(&c->reader, &c->frame, c->frame_bytes, c->bytes);
    if (r == 0)
        c->sent = 0;
    return r == 0;
}

static void add_part(struct capture_answer *c, struct parts *p)
{
    Bulkhead__FramePart *row = &p->rows[p->n];
    size_t left = c->frame.captured - c->sent;
    size_t len = left < room(p) ? left : room(p);

    bulkhead__frame_part__init(row);
    row->time_ns = c->frame.time_ns;
    row->len = c->frame.len;
    row->captured = c->frame.captured;
    row->outbound = c->frame.outbound != 0;
    row->data = (ProtobufCBinaryData){.data = p->bytes + p->used, .len = len};
    memcpy(row->data.data, c->frame_bytes + c->sent, len);
    c->sent += (uint32_t)len;
    p->used += len + CAPTURE_PART_OVERHEAD;
    p->list[p->n++] = row;
}

void capture_answer_next(struct capture_answer *c, struct datagram *ret)
{
    Bulkhead__AdminAnswer a;
    struct parts p;

    p.n = p.used = 0;
    while (room(&p) > 0 && find_frame(c))
        add_part(c, &p);
    if (p.n == 0 && c->is_told && c->reader.lost == c->told_lost)
        return;
    bulkhead__admin_answer__init(&a);
    a.frames = p.list;
    a.n_frames = p.n;
    a.lost = c->reader.lost;
    a.capturing = true; /* and so no answer is empty */
    c->is_told = true;
    c->told_lost = c->reader.lost;
    answer_pack(&a, ret);
}

/* --- what the supervisor is asked for --- */

uint32_t capture_wanted(const struct diag *d, uint32_t nic)
{
    uint32_t most = 0;

    for (unsigned i = 0; i < DIAG_SESSIONS; i++) {
        const struct session *s = &d->sessions[i];

        if (session_captures(s) && s->question.capture.reader.nic == nic &&
            s->question.capture.bytes > most)
            most = s->question.capture.bytes;
    }
    return most;
}

static void ask(struct diag *d, uint32_t nic, uint32_t bytes, uint64_t now_ns)
{
    Bulkhead__AdminRequest request;
    Bulkhead__CaptureChange change;
    Bulkhead__Envelope e;

    bulkhead__envelope__init(&e);
    bulkhead__admin_request__init(&request);
    bulkhead__capture_change__init(&change);
    change.nic = nic;
    change.bytes = bytes;
    request.tag = d->next_tag++;
    request.action = BULKHEAD__ADMIN_REQUEST__ACTION__CAPTURE;
    request.capture = &change;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST;
    e.admin_request = &request;
    if (channel_send(d->control, &e, NULL, 0) == 0) /* else it is asked again at the next look */
        d->wishes[nic] = (struct capture_wish){.bytes = bytes, .asked_ns = now_ns};
}

void capture_ask(struct diag *d, uint64_t now_ns)
{
    for (uint32_t nic = 0; nic < NETS_MAX; nic++) {
        uint32_t bytes = capture_wanted(d, nic);
        const struct capture_wish *wish = &d->wishes[nic];

        if (bytes != wish->bytes ||
            (bytes != 0 && now_ns >= wish->asked_ns + CAPTURE_ASK_MS * NS_PER_MS))
            ask(d, nic, bytes, now_ns);
    }
}
