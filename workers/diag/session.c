#include "workers/diag/session.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "ipc/channel.h"
#include "workers/diag/audit.h"

static void set_deadline(struct session *s, unsigned ms)
{
    s->deadline_ns = clock_now_ns() + ms * NS_PER_MS;
}

static void become_idle(struct session *s)
{
    s->state = SESSION_IDLE;
    set_deadline(s, DIAG_IDLE_MS);
}

bool session_captures(const struct session *s)
{
    return (s->state == SESSION_WAITING || s->state == SESSION_ANSWERING) &&
           s->question.verb == BULKHEAD__ADMIN_CALL__VERB__CAPTURE;
}

bool session_traces(const struct session *s)
{
    return (s->state == SESSION_WAITING || s->state == SESSION_ANSWERING) &&
           s->question.verb == BULKHEAD__ADMIN_CALL__VERB__TRACE;
}

bool session_watches(const struct session *s)
{
    return session_captures(s) || session_traces(s);
}

bool session_debugs(const struct session *s)
{
    return (s->state == SESSION_WAITING || s->state == SESSION_ANSWERING) &&
           debug_kind_of(s->question.verb) != BULKHEAD__DEBUG_KIND__DEBUG_NONE;
}

/* Does it go on for as long as the operator reads? */
static bool is_stream(const struct session *s)
{
    return session_watches(s) || session_debugs(s);
}

/* --- answers --- */

/* Hand over what was made. False: it waits, or the session is closed. */
static bool send_made(struct session *s)
{
    int r = s->carrier->send(s, &s->datagram);

    if (r == -EAGAIN) {
        s->carrier->wait(s);
        return false;
    }
    if (r < 0) {
        session_close(s);
        return false;
    }
    s->datagram.len = 0;
    return true;
}

/* Whoever carries it may close the session now: nothing is done to it after this. */
static void finish(struct session *s)
{
    debug_leave(s);
    become_idle(s);
    if (s->carrier->answered != NULL)
        s->carrier->answered(s);
}

/* As far as the operator reads, and not so far that others wait. */
static void send_answer(struct session *s)
{
    int budget = session_watches(s) ? CAPTURE_DATAGRAMS : DIAG_FOLLOW_DATAGRAMS;

    for (; budget > 0; budget--) {
        if (s->datagram.len == 0) {
            s->datagram.last = false;
            answer_next(&s->question, s->diag->boards, &s->datagram);
            set_deadline(s, DIAG_READ_MS);
        }
        if (s->datagram.len == 0) {
            debug_await(s);
            return;
        }
        if (!send_made(s))
            return;
        if (s->datagram.last) {
            finish(s);
            return;
        }
    }
    if (!s->question.follow || is_stream(s))
        s->carrier->wait(s); /* the next turn */
}

static void end_answer(struct session *s, const char *error)
{
    s->state = SESSION_ANSWERING;
    s->question = (struct question){0};
    answer_end(error, &s->datagram);
    set_deadline(s, DIAG_READ_MS);
    if (send_made(s))
        finish(s);
}

void session_resume(struct session *s)
{
    bool last = s->datagram.len > 0 && s->datagram.last;

    if (s->datagram.len > 0 && !send_made(s))
        return;
    if (last)
        finish(s);
    else
        send_answer(s);
}

/* --- calls --- */

static void ask_supervisor(struct session *s, Bulkhead__AdminRequest *request, int fd)
{
    struct diag *d = s->diag;
    Bulkhead__Envelope e;
    int r;

    bulkhead__envelope__init(&e);
    s->tag = d->next_tag++;
    request->tag = s->tag;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST;
    e.admin_request = request;
    r = channel_send(d->control, &e, &fd, fd >= 0 ? 1 : 0);
    if (r < 0) {
        end_answer(s, r == -EAGAIN ? "the supervisor does not listen" : "the supervisor is gone");
        return;
    }
    s->state = SESSION_WAITING;
    set_deadline(s, request->action == BULKHEAD__ADMIN_REQUEST__ACTION__RESTART ? DIAG_RESTART_MS
                                                                                : DIAG_REPLY_MS);
}

static void ask_for_process(struct session *s, const Bulkhead__AdminCall *call, int process, int fd)
{
    bool restart = call->verb == BULKHEAD__ADMIN_CALL__VERB__RESTART;
    Bulkhead__AdminRequest request;

    bulkhead__admin_request__init(&request);
    request.process = (uint32_t)process;
    request.action = restart ? BULKHEAD__ADMIN_REQUEST__ACTION__RESTART
                             : BULKHEAD__ADMIN_REQUEST__ACTION__REVIVE;
    board_log(s->diag->board, LOG_LEVEL_INFO, "operator: %s %s%s", restart ? "restart" : "revive",
              manifest[process].name, fd >= 0 ? ", with another binary" : "");
    ask_supervisor(s, &request, fd);
}

/* What is possible, init knows. */
static void ask_for_disk(struct session *s, const Bulkhead__AdminCall *call, int fd)
{
    Bulkhead__AdminRequest request;

    if (call->disk == NULL || call->disk->disk == NULL) {
        end_answer(s, "no disk named");
        return;
    }
    bulkhead__admin_request__init(&request);
    request.action = BULKHEAD__ADMIN_REQUEST__ACTION__DISK;
    request.disk = call->disk;
    board_log(s->diag->board, LOG_LEVEL_INFO, "operator: disk %u:%u, change %d",
              call->disk->disk->controller, call->disk->disk->lun, (int)call->disk->action);
    ask_supervisor(s, &request, fd);
}

/* Which NICs there are, the supervisor knows. */
static void ask_for_link(struct session *s, const Bulkhead__AdminCall *call)
{
    Bulkhead__AdminRequest request;

    if (call->link == NULL) {
        end_answer(s, "no NIC named");
        return;
    }
    bulkhead__admin_request__init(&request);
    request.action = BULKHEAD__ADMIN_REQUEST__ACTION__LINK;
    request.link = call->link;
    board_log(s->diag->board, LOG_LEVEL_INFO, "operator: nic %u, link %s", call->link->nic,
              call->link->up ? "up" : "down");
    ask_supervisor(s, &request, -1);
}

/* As above. What it says besides is captured for others, too, so they may have more already. */
static void ask_for_capture(struct session *s, const Bulkhead__AdminCall *call)
{
    const Bulkhead__CaptureChange *change = call->capture;
    Bulkhead__CaptureChange all;
    Bulkhead__AdminRequest request;
    struct diag *d = s->diag;

    if (change == NULL || change->nic >= NETS_MAX || change->bytes == 0 ||
        change->bytes > CAPTURE_FRAME_MAX) {
        end_answer(s, change == NULL ? "no NIC named" : "no such NIC, or no such length of frames");
        return;
    }
    s->question.follow = true;
    s->question.capture = (struct capture_answer){
        .reader = {.nic = change->nic}, .bytes = change->bytes, .frame_bytes = s->frame};
    bulkhead__admin_request__init(&request);
    bulkhead__capture_change__init(&all);
    all.nic = change->nic;
    all.bytes = capture_wanted(d, change->nic);
    request.action = BULKHEAD__ADMIN_REQUEST__ACTION__CAPTURE;
    request.capture = &all;
    board_log(d->board, LOG_LEVEL_INFO, "operator: nic %u, capture", change->nic);
    ask_supervisor(s, &request, -1);
    d->wishes[all.nic] = (struct capture_wish){.bytes = all.bytes, .asked_ns = clock_now_ns()};
}

/* It has been begun, or was on already. */
static void begin_capture(struct session *s)
{
    static const struct timeval soon = {.tv_usec = CAPTURE_LOOK_MS * 1000};
    struct capture_answer *c = &s->question.capture;

    s->state = SESSION_ANSWERING;
    capture_read_begin(&c->reader, s->diag->capture, c->reader.nic);
    (void)event_add(&s->diag->tick, &soon);
    send_answer(s);
}

/* Others may have one made already. */
static void ask_for_trace(struct session *s, const Bulkhead__AdminCall *call)
{
    Bulkhead__AdminRequest request;

    if (call->number > TRACE_MAX_S) {
        end_answer(s, "so long a time line nobody can look at: an hour at most");
        return;
    }
    s->question.follow = true;
    s->question.trace.for_ns = call->number * NS_PER_S;
    bulkhead__admin_request__init(&request);
    request.action = BULKHEAD__ADMIN_REQUEST__ACTION__TRACE;
    request.trace = true;
    board_log(s->diag->board, LOG_LEVEL_INFO, "operator: trace");
    ask_supervisor(s, &request, -1);
    s->diag->trace_wish = (struct trace_wish){.on = true, .asked_ns = clock_now_ns()};
}

static void begin_trace(struct session *s)
{
    static const struct timeval soon = {.tv_usec = TRACE_LOOK_MS * 1000};

    s->state = SESSION_ANSWERING;
    trace_answer_begin(&s->question.trace, s->diag, clock_now_ns());
    (void)event_add(&s->diag->tick, &soon);
    send_answer(s);
}

/* pause, resume: nothing but the verb. */
static void ask_for_vm(struct session *s, Bulkhead__AdminRequest__Action action)
{
    Bulkhead__AdminRequest request;

    bulkhead__admin_request__init(&request);
    request.action = action;
    board_log(s->diag->board, LOG_LEVEL_INFO, "operator: %s the guest",
              action == BULKHEAD__ADMIN_REQUEST__ACTION__PAUSE ? "pause" : "resume");
    ask_supervisor(s, &request, -1);
}

static void ask_for_debug(struct session *s, const Bulkhead__AdminCall *call)
{
    Bulkhead__AdminRequest request;

    bulkhead__admin_request__init(&request);
    request.action = BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG;
    request.debug = debug_kind_of(call->verb);
    s->question.follow = true;
    board_log(s->diag->board, LOG_LEVEL_INFO, "operator: %s", rule_of(call->verb)->name);
    ask_supervisor(s, &request, -1);
}

static void begin_debug(struct session *s, uint32_t number)
{
    s->state = SESSION_ANSWERING;
    debug_begin(s, number);
    send_answer(s);
}

int session_data(struct session *s, const void *bytes, size_t len)
{
    if (s->state != SESSION_ANSWERING || s->question.verb != BULKHEAD__ADMIN_CALL__VERB__GDB)
        return -EPROTO;
    return debug_say(s, bytes, len);
}

static void act(struct session *s, const Bulkhead__AdminCall *call, int fd)
{
    int process = manifest_find(call->target);

    if (process < 0)
        end_answer(s, "no process of that name: `bulkhead ps` lists them");
    else if (call->has_binary != (fd >= 0))
        end_answer(s, "the binary did not come along");
    else
        ask_for_process(s, call, process, fd);
}

static void ask_for_level(struct session *s, const Bulkhead__AdminCall *call)
{
    const int process = manifest_find(call->target);
    const char *name = call->number > UINT32_MAX ? NULL : log_level_name((unsigned)call->number);
    Bulkhead__AdminRequest request;

    if (process < 0 || name == NULL) {
        end_answer(s, process < 0 ? "no process of that name: `bulkhead ps` lists them"
                                  : "no such log level");
        return;
    }
    bulkhead__admin_request__init(&request);
    request.action = BULKHEAD__ADMIN_REQUEST__ACTION__LOG_LEVEL;
    request.process = (uint32_t)process;
    request.level = (uint32_t)call->number;
    board_log(s->diag->board, LOG_LEVEL_INFO, "operator: %s logs up to level %u",
              manifest[process].name, request.level);
    ask_supervisor(s, &request, -1);
}

static void begin_logs(struct session *s, const Bulkhead__AdminCall *call)
{
    int process = call->target[0] == '\0' ? PROCESS_COUNT : manifest_find(call->target);

    if (process < 0) {
        end_answer(s, "no process of that name: `bulkhead ps` lists them");
        return;
    }
    s->question.follow = call->follow;
    logs_begin(&s->question.logs, s->diag->boards, (unsigned)process, call->follow);
    s->question.logs.confidential = s->diag->confidential;
    send_answer(s);
}

static void begin_records(struct session *s, const Bulkhead__AdminCall *call)
{
    const struct records_page *page = s->diag->records;
    int process = call->target[0] == '\0' ? PROCESS_COUNT : manifest_find(call->target);

    if (process < 0) {
        end_answer(s, "no process of that name: `bulkhead ps` lists them");
        return;
    }
    s->question.follow = call->follow && call->verb == BULKHEAD__ADMIN_CALL__VERB__EVENTS;
    s->question.records = (struct records_answer){
        .page = page,
        .cursor = call->verb == BULKHEAD__ADMIN_CALL__VERB__EVENTS ? records_oldest_event(page)
                                                                   : records_oldest_crash(page),
        .about = (unsigned)process,
        .number = call->number};
    send_answer(s);
}

static void begin_inspect(struct session *s, const Bulkhead__AdminCall *call)
{
    if (strlen(call->target) >= INSPECT_PATTERN_BYTES) {
        end_answer(s, "the path is too long");
        return;
    }
    if (call->number > INSPECT_DEPTH_MAX) {
        end_answer(s, "no tree is so deep");
        return;
    }
    s->question.inspect.depth = (unsigned)call->number;
    s->question.inspect.confidential = s->diag->confidential;
    (void)snprintf(s->question.inspect.pattern, INSPECT_PATTERN_BYTES, "%s", call->target);
    send_answer(s);
}

static void begin_audit(struct session *s)
{
    s->question.audit.page = s->diag->audit.page;
    send_answer(s);
}

/* The file is root's; who names one that gives nothing waits with us. */
static void take_revoked(struct session *s, int fd)
{
    const struct network *network = s->diag->network;
    size_t len = 0;
    ssize_t n = 1;
    const char *why;
    bool is_new;

    if (network == NULL) {
        end_answer(s, "nobody comes in over the network: the VM runs without --operators");
        return;
    }
    while (n > 0 && len < TLS_PART_BYTES + 1) {
        n = read(fd, s->frame + len, TLS_PART_BYTES + 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    why = network->revoke(&s->diag->https, s->frame, len, &is_new);
    end_answer(s, why == NULL ? "" : why);
}

/* Who may, does. */
static void begin(struct session *s, const Bulkhead__AdminCall *call, int fd)
{
    switch (call->verb) {
    case BULKHEAD__ADMIN_CALL__VERB__PS:
        send_answer(s);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__INSPECT:
        begin_inspect(s, call);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__LOGS:
        begin_logs(s, call);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__TRACE:
        ask_for_trace(s, call);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__EVENTS:
    case BULKHEAD__ADMIN_CALL__VERB__CRASHES:
        begin_records(s, call);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__RESTART:
    case BULKHEAD__ADMIN_CALL__VERB__REVIVE:
        act(s, call, fd);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__DISK:
        ask_for_disk(s, call, fd);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__LINK:
        ask_for_link(s, call);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__CAPTURE:
        ask_for_capture(s, call);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__AUDIT:
        begin_audit(s);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__METRICS:
        s->question.metrics.plain = call->plain;
        send_answer(s);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__PAUSE:
        ask_for_vm(s, BULKHEAD__ADMIN_REQUEST__ACTION__PAUSE);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__RESUME:
        ask_for_vm(s, BULKHEAD__ADMIN_REQUEST__ACTION__RESUME);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__REGISTERS:
    case BULKHEAD__ADMIN_CALL__VERB__DUMP:
    case BULKHEAD__ADMIN_CALL__VERB__GDB:
        ask_for_debug(s, call);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__LOG_LEVEL:
        ask_for_level(s, call);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__REVOCATIONS:
        take_revoked(s, fd);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__NONE:
    case _BULKHEAD__ADMIN_CALL__VERB_IS_INT_SIZE:
    default:
        end_answer(s, "no such call");
    }
}

enum decision session_judge(const struct session *s, const struct rule *rule)
{
    return rule_judge(rule, s->caller.role, s->diag->confidential);
}

/* What a call is about, for the record. */
static void target_of(const Bulkhead__AdminCall *call, char ret[AUDIT_TARGET_BYTES])
{
    if (call->disk != NULL && call->disk->disk != NULL)
        (void)snprintf(ret, AUDIT_TARGET_BYTES, "disk %u:%u, change %d",
                       call->disk->disk->controller, call->disk->disk->lun,
                       (int)call->disk->action);
    else if (call->link != NULL)
        (void)snprintf(ret, AUDIT_TARGET_BYTES, "nic %u, %s", call->link->nic,
                       call->link->up ? "up" : "down");
    else if (call->capture != NULL)
        (void)snprintf(ret, AUDIT_TARGET_BYTES, "nic %u", call->capture->nic);
    else if (call->verb == BULKHEAD__ADMIN_CALL__VERB__LOG_LEVEL)
        (void)snprintf(ret, AUDIT_TARGET_BYTES, "%s, level %" PRIu64, call->target, call->number);
    else
        (void)snprintf(ret, AUDIT_TARGET_BYTES, "%s", call->target);
}

static void refuse(struct session *s, const struct rule *rule, enum decision decision)
{
    char text[RULE_TEXT_BYTES];

    board_inc(s->diag->row_denied);
    rule_refusal(rule, decision, text);
    end_answer(s, text);
}

void session_call(struct session *s, const Bulkhead__AdminCall *call, int fd)
{
    const struct rule *rule = rule_of(call->verb);
    char target[AUDIT_TARGET_BYTES];
    enum decision decision;

    board_inc(s->diag->row_calls);
    s->question = (struct question){.verb = call->verb};
    s->datagram.len = 0;
    s->state = SESSION_ANSWERING;
    if (rule == NULL) {
        end_answer(s, "no such call");
        return;
    }
    if (call->verb == BULKHEAD__ADMIN_CALL__VERB__REVOCATIONS &&
        fd < 0) { /* anybody could fill the record */
        audit_note(&s->diag->audit, &s->caller, (unsigned)call->verb, "", AUDIT_NOTHING);
        end_answer(s, "the list of revoked certificates did not come along");
        return;
    }
    decision = session_judge(s, rule);
    target_of(call, target);
    board_log(s->diag->board, LOG_LEVEL_DEBUG, "call %d, role %d, decision %d", (int)call->verb,
              (int)s->caller.role, (int)decision);
    audit_note(&s->diag->audit, &s->caller, (unsigned)call->verb, target, decision);
    if (decision == AUDIT_ALLOWED)
        begin(s, call, fd);
    else
        refuse(s, rule, decision);
}

/* --- beginning and end --- */

struct session *session_open(struct diag *d, const struct carrier *carrier, void *carried,
                             const struct caller *caller)
{
    for (unsigned i = 0; i < DIAG_SESSIONS; i++) {
        struct session *s = &d->sessions[i];

        if (s->state != SESSION_FREE)
            continue;
        s->diag = d;
        s->carrier = carrier;
        s->carried = carried;
        s->caller = *caller;
        s->datagram.len = 0;
        become_idle(s);
        board_set(d->row_sessions, ++d->n_sessions);
        diag_schedule(d);
        return s;
    }
    board_inc(d->row_refused);
    return NULL;
}

void session_close(struct session *s)
{
    if (s->state == SESSION_FREE)
        return;
    debug_leave(s);
    s->state = SESSION_FREE;
    board_set(s->diag->row_sessions, --s->diag->n_sessions);
    s->carrier->closed(s);
}

/* A follower that has all there is waits without a deadline. */
static bool is_content(const struct session *s)
{
    return s->state == SESSION_ANSWERING && s->question.follow && s->datagram.len == 0;
}

void session_tick(struct session *s, uint64_t now_ns)
{
    if (is_content(s)) {
        send_answer(s);
        return;
    }
    if (now_ns < s->deadline_ns)
        return;
    if (s->state == SESSION_ANSWERING && session_watches(s))
        return; /* who watches and does not read loses what there is */
    if (s->state == SESSION_WAITING) {
        end_answer(s, "the supervisor did not answer");
        return;
    }
    if (s->state == SESSION_ANSWERING)
        board_inc(s->diag->row_dropped);
    session_close(s);
}

void session_reply(struct session *s, const Bulkhead__AdminReply *reply)
{
    const char *error = reply->error;

    if (error[0] != '\0')
        board_log(s->diag->board, LOG_LEVEL_WARN, "refused: %s", error);
    if (error[0] == '\0' && session_captures(s))
        begin_capture(s);
    else if (error[0] == '\0' && session_traces(s))
        begin_trace(s);
    else if (error[0] == '\0' && session_debugs(s))
        begin_debug(s, reply->session);
    else
        end_answer(s, error);
}
