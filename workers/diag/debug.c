#include "workers/diag/debug.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "ipc/channel.h"
#include "ipc/debug_stream.h"
#include "workers/diag/diag.h"
#include "workers/diag/session.h"

enum {
    ANSWER_OVERHEAD = 64,
};
_Static_assert(DEBUG_FRAME_MAX <= ANSWER_MAX_BYTES - ANSWER_OVERHEAD,
               "a frame fits into a datagram");

Bulkhead__DebugKind debug_kind_of(Bulkhead__AdminCall__Verb verb)
{
    if (verb == BULKHEAD__ADMIN_CALL__VERB__REGISTERS)
        return BULKHEAD__DEBUG_KIND__DEBUG_REGISTERS;
    if (verb == BULKHEAD__ADMIN_CALL__VERB__DUMP)
        return BULKHEAD__DEBUG_KIND__DEBUG_DUMP;
    return verb == BULKHEAD__ADMIN_CALL__VERB__GDB ? BULKHEAD__DEBUG_KIND__DEBUG_GDB
                                                   : BULKHEAD__DEBUG_KIND__DEBUG_NONE;
}

/* --- from the debug worker --- */

static void pack_begun(uint32_t number, struct datagram *ret)
{
    Bulkhead__AdminAnswer a;

    bulkhead__admin_answer__init(&a);
    a.debugging = true;
    a.session = number;
    answer_pack(&a, ret);
}

static void pack_bytes(uint8_t *bytes, size_t len, struct datagram *ret)
{
    Bulkhead__AdminAnswer a;

    bulkhead__admin_answer__init(&a);
    a.debugging = true;
    a.data = (ProtobufCBinaryData){.data = bytes, .len = len};
    answer_pack(&a, ret);
}

/* It may have been taken over: what it says is text of a certain length, and nothing more. */
static void pack_end(const uint8_t *bytes, size_t len, struct datagram *ret)
{
    char text[DEBUG_TEXT_MAX + 1];

    len = len < DEBUG_TEXT_MAX ? len : DEBUG_TEXT_MAX;
    memcpy(text, bytes, len);
    text[len] = '\0';
    for (char *c = text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    answer_end(text, ret);
}

void debug_answer_next(struct debug_answer *q, struct datagram *ret)
{
    uint8_t bytes[DEBUG_FRAME_MAX];
    uint32_t kind;
    int n;

    if (!q->is_told) {
        q->is_told = true;
        pack_begun(q->number, ret);
        return;
    }
    n = debug_frame_receive(q->stream, q->number, &kind, bytes);
    if (n == -EAGAIN)
        return;
    if (n >= 0 && kind == DEBUG_FRAME_DATA)
        pack_bytes(bytes, (size_t)n, ret);
    else if (n >= 0 && kind == DEBUG_FRAME_END)
        pack_end(bytes, (size_t)n, ret);
    else
        answer_end("the debug worker makes no sense", ret);
}

void debug_await(struct session *s)
{
    struct debug_link *l = &s->diag->debug;

    if (l->session == s)
        (void)event_add(&l->readable, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct debug_link *l = arg;

    (void)fd;
    (void)what;
    if (l->session != NULL)
        session_resume(l->session);
}

/* --- to the debug worker --- */

/* 0, or -EAGAIN: it does not take them now. */
static int send_unsaid(struct session *s)
{
    struct debug_answer *q = &s->question.debug;
    const struct debug_head head = {.session = q->number, .kind = DEBUG_FRAME_DATA};
    int r = q->unsaid == 0 ? 0 : debug_frame_send(q->stream, head, s->frame, q->unsaid);

    if (r == -EAGAIN)
        return r;
    q->unsaid = 0; /* the pair outlives both ends: there is no other failure */
    return 0;
}

int debug_say(struct session *s, const void *bytes, size_t len)
{
    struct debug_answer *q = &s->question.debug;
    int r;

    if (q->unsaid != 0 || len > DEBUG_FRAME_MAX || s->diag->debug.session != s)
        return -EPROTO;
    memcpy(s->frame, bytes, len);
    q->unsaid = len;
    r = send_unsaid(s);
    if (r == -EAGAIN)
        (void)event_add(&s->diag->debug.writable, NULL);
    return r;
}

int debug_hear(struct session *s, uint64_t at, const void *bytes, size_t len)
{
    struct debug_answer *q = &s->question.debug;
    int r;

    if (len > 0 && at < q->heard && q->heard - at == len)
        return 0;
    if (at != q->heard)
        return -EPROTO;
    if (q->unsaid != 0)
        return -EBUSY;
    r = session_data(s, bytes, len);
    if (r < 0 && r != -EAGAIN)
        return r;
    q->heard += len;
    return 0;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct debug_link *l = arg;
    struct session *s = l->session;

    (void)fd;
    (void)what;
    if (s == NULL)
        return;
    if (send_unsaid(s) == -EAGAIN)
        (void)event_add(&l->writable, NULL);
    else if (s->carrier->hear != NULL)
        s->carrier->hear(s);
}

/* --- beginning and end --- */

int debug_init(struct diag *d)
{
    struct debug_link *l = &d->debug;

    if (event_assign(&l->readable, d->base, l->stream, EV_READ, on_readable, l) < 0 ||
        event_assign(&l->writable, d->base, l->stream, EV_WRITE, on_writable, l) < 0)
        return -EINVAL;
    return 0;
}

void debug_begin(struct session *s, uint32_t number)
{
    struct debug_link *l = &s->diag->debug;

    l->session = s;
    l->number = number;
    s->question.debug = (struct debug_answer){.stream = l->stream, .number = number};
}

void debug_tell_end(struct diag *d, uint32_t number)
{
    Bulkhead__AdminRequest request;
    Bulkhead__Envelope e;

    bulkhead__admin_request__init(&request);
    bulkhead__envelope__init(&e);
    request.action = BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG_END;
    request.session = number;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST;
    e.admin_request = &request;
    if (channel_send(d->control, &e, NULL, 0) < 0)
        board_log(d->board, LOG_LEVEL_WARN, "the supervisor does not hear that nobody debugs");
}

void debug_leave(struct session *s)
{
    struct debug_link *l = &s->diag->debug;

    if (l->session != s)
        return;
    l->session = NULL;
    (void)event_del(&l->readable);
    (void)event_del(&l->writable);
    debug_tell_end(s->diag, l->number);
}
