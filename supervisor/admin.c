#include "supervisor/admin.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "supervisor/debugger.h"
#include "supervisor/lifecycle.h"

void admin_answer_session(struct registry *reg, uint32_t tag, const char *text, uint32_t session)
{
    char error[256];
    Bulkhead__AdminReply reply;
    Bulkhead__Envelope e;
    int channel = reg->rows[PROCESS_DIAG].live.channel;

    (void)snprintf(error, sizeof(error), "%s", text);
    bulkhead__admin_reply__init(&reply);
    bulkhead__envelope__init(&e);
    reply.tag = tag;
    reply.error = error;
    reply.session = session;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REPLY;
    e.admin_reply = &reply;
    if (channel >= 0 && channel_send(channel, &e, NULL, 0) < 0)
        board_log(reg->board, LOG_LEVEL_WARN, "diag does not read its answers");
}

static void answer(struct registry *reg, uint32_t tag, const char *text)
{
    admin_answer_session(reg, tag, text, 0);
}

void admin_finish(struct registry *reg, struct registry_row *row, const char *error)
{
    if (row->admin.waiting)
        answer(reg, row->admin.tag, error);
    row->admin.waiting = false;
}

static const char *restart(struct registry *reg, uint32_t process, uint32_t tag, int *binary)
{
    struct registry_row *row = &reg->rows[process];
    struct waiting_admin admin = {.waiting = process != PROCESS_DIAG, .tag = tag};

    if (row->state == ROW_PARKED || row->state == ROW_DEAD)
        return "it is parked: revive it instead";
    if (row->replacing)
        return "a replacement is already on its way";
    if (row->state != ROW_RUNNING)
        return "it is restarting just now";
    lifecycle_replace(reg, process, fd_steal(binary), &admin);
    /* diag cannot hear of its own replacement: the answer is that it was begun. */
    return admin.waiting ? NULL : "";
}

/* The program that it is started with, should there ever be something to do for it. */
static const char *keep_program(struct registry_row *row, Bulkhead__AdminRequest__Action action,
                                int *binary)
{
    if (action != BULKHEAD__ADMIN_REQUEST__ACTION__RESTART || *binary < 0)
        return "it has nothing to do in this VM, and does not run";
    fd_closep(&row->binary);
    row->binary = fd_steal(binary);
    return "";
}

static const enum event_kind disk_events[] = {
    [BULKHEAD__DISK_CHANGE__ACTION__ADD] = EVENT_DISK_ADDED,
    [BULKHEAD__DISK_CHANGE__ACTION__REMOVE] = EVENT_DISK_REMOVED,
    [BULKHEAD__DISK_CHANGE__ACTION__RESIZE] = EVENT_DISK_RESIZED,
    [BULKHEAD__DISK_CHANGE__ACTION__INSERT] = EVENT_DISK_INSERTED,
    [BULKHEAD__DISK_CHANGE__ACTION__EJECT] = EVENT_DISK_EJECTED,
};

/* For the history, when init says that it is done. */
static void note_disk(struct waiting_admin *waiting, const Bulkhead__DiskChange *change)
{
    if ((size_t)change->action < COUNT_OF(disk_events))
        waiting->disk.kind = disk_events[change->action];
    if (change->disk == NULL)
        return;
    waiting->disk.controller = change->disk->controller;
    waiting->disk.lun = change->disk->lun;
}

/* Passed on as it is: which files there are, and what may be done with them, init knows. */
static const char *change_disk(struct registry *reg, const Bulkhead__AdminRequest *rq, int file)
{
    Bulkhead__Envelope e;

    if (rq->disk == NULL)
        return "no disk named";
    if (reg->disk_change.waiting)
        return "another change of a disk is on its way";
    rq->disk->tag = rq->tag;
    bulkhead__envelope__init(&e);
    e.body_case = BULKHEAD__ENVELOPE__BODY_DISK_CHANGE;
    e.disk_change = rq->disk;
    if (bulkhead__envelope__get_packed_size(&e) > CHANNEL_MAX_BYTES)
        return "too much for one message";
    reg->disk_change = (struct waiting_admin){
        .waiting = true,
        .tag = rq->tag,
        .asker = reg->rows[PROCESS_DIAG].live.number,
    };
    note_disk(&reg->disk_change, rq->disk);
    registry_tell_init(reg, &e, file);
    return NULL;
}

int admin_disk_changed(struct registry *reg, const Bulkhead__DiskChanged *changed)
{
    const struct waiting_admin asked = reg->disk_change;

    if (!asked.waiting || changed->tag != asked.tag)
        return -EPROTO;
    reg->disk_change.waiting = false;
    if (changed->error[0] == '\0') {
        registry_need(reg, PROCESS_STORAGE); /* there may have been none before */
        history_vm(&reg->history, asked.disk.kind, asked.disk.controller, asked.disk.lun);
    }
    if (asked.asker == reg->rows[PROCESS_DIAG].live.number)
        answer(reg, asked.tag, changed->error);
    return 0;
}

static const char *change_link(struct registry *reg, const Bulkhead__LinkChange *change)
{
    if (change == NULL)
        return "no NIC named";
    if (!links_has_nic(&reg->links))
        return "this VM has no NIC";
    if (links_set(&reg->links, change->nic, change->up) < 0)
        return "no NIC of that number: `bulkhead inspect net` shows which there are";
    history_vm(&reg->history, change->up ? EVENT_LINK_UP : EVENT_LINK_DOWN, change->nic, 0);
    return "";
}

/* A wish that is told again each second. */
static const char *change_capture(struct registry *reg, const Bulkhead__CaptureChange *change)
{
    if (change == NULL)
        return "no NIC named";
    if (captures_set(&reg->captures, change->nic, change->bytes, clock_now_ns()) < 0)
        return "no NIC of that number: `bulkhead inspect net` shows which there are";
    return "";
}

/* The same. */
static const char *change_trace(struct registry *reg, bool on)
{
    return tracing_set(&reg->tracing, on, clock_now_ns()) == 0
               ? ""
               : "what a confidential VM does when is not shown";
}

static const char *change_level(struct registry *reg, uint32_t process, uint32_t level)
{
    return levels_set(&reg->levels, process, level) == 0 ? "" : "no such process, or log level";
}

/* What shows something of the guest's, or changes it. */
static bool is_closed(const struct registry *reg, Bulkhead__AdminRequest__Action action)
{
    static const Bulkhead__AdminRequest__Action closed[] = {
        BULKHEAD__ADMIN_REQUEST__ACTION__CAPTURE, BULKHEAD__ADMIN_REQUEST__ACTION__TRACE,
        BULKHEAD__ADMIN_REQUEST__ACTION__PAUSE,   BULKHEAD__ADMIN_REQUEST__ACTION__RESUME,
        BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG,
    };

    for (size_t i = 0; reg->confidential && i < COUNT_OF(closed); i++) {
        if (closed[i] == action)
            return true;
    }
    return false;
}

/* NULL: the answer comes later, or none does. */
static const char *act(struct registry *reg, const Bulkhead__AdminRequest *rq, int *binary)
{
    if (is_closed(reg, rq->action))
        return "this VM is confidential: nothing of the guest's is shown or touched";
    if (rq->action == BULKHEAD__ADMIN_REQUEST__ACTION__DISK)
        return change_disk(reg, rq, *binary);
    if (rq->action == BULKHEAD__ADMIN_REQUEST__ACTION__LINK)
        return change_link(reg, rq->link);
    if (rq->action == BULKHEAD__ADMIN_REQUEST__ACTION__CAPTURE)
        return change_capture(reg, rq->capture);
    if (rq->action == BULKHEAD__ADMIN_REQUEST__ACTION__TRACE)
        return change_trace(reg, rq->trace);
    if (rq->action == BULKHEAD__ADMIN_REQUEST__ACTION__PAUSE)
        return debugger_pause(reg, rq->tag);
    if (rq->action == BULKHEAD__ADMIN_REQUEST__ACTION__RESUME)
        return debugger_resume(reg);
    if (rq->action == BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG)
        return debugger_begin(reg, rq->tag, rq->debug);
    if (rq->action == BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG_END)
        return debugger_end(reg, rq->session);
    if (rq->action == BULKHEAD__ADMIN_REQUEST__ACTION__LOG_LEVEL)
        return change_level(reg, rq->process, rq->level);
    if (!registry_can_have(rq->process))
        return "this process cannot be restarted";
    if (!registry_has(reg, rq->process))
        return keep_program(&reg->rows[rq->process], rq->action, binary);
    switch (rq->action) {
    case BULKHEAD__ADMIN_REQUEST__ACTION__RESTART:
        return restart(reg, rq->process, rq->tag, binary);
    case BULKHEAD__ADMIN_REQUEST__ACTION__REVIVE:
        return lifecycle_revive(reg, rq->process) == 0 ? "" : "it is not parked";
    case BULKHEAD__ADMIN_REQUEST__ACTION__DISK:
    case BULKHEAD__ADMIN_REQUEST__ACTION__LINK:
    case BULKHEAD__ADMIN_REQUEST__ACTION__CAPTURE:
    case BULKHEAD__ADMIN_REQUEST__ACTION__TRACE:
    case BULKHEAD__ADMIN_REQUEST__ACTION__PAUSE:
    case BULKHEAD__ADMIN_REQUEST__ACTION__RESUME:
    case BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG:
    case BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG_END:
    case BULKHEAD__ADMIN_REQUEST__ACTION__LOG_LEVEL:
    case BULKHEAD__ADMIN_REQUEST__ACTION__NONE:
    case _BULKHEAD__ADMIN_REQUEST__ACTION_IS_INT_SIZE:
    default:
        return "no such action";
    }
}

/* What says in the log when it begins and ends. */
static bool is_told_elsewhere(Bulkhead__AdminRequest__Action action)
{
    return action == BULKHEAD__ADMIN_REQUEST__ACTION__CAPTURE ||
           action == BULKHEAD__ADMIN_REQUEST__ACTION__TRACE ||
           action == BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG ||
           action == BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG_END;
}

int admin_request(struct registry *reg, struct channel_msg *m)
{
    const Bulkhead__AdminRequest *rq = m->envelope->admin_request;
    AUTO_FD binary = m->n_fds == 1 ? fd_steal(&m->fds[0]) : -1;
    const char *text = act(reg, rq, &binary);

    if (!is_told_elsewhere(rq->action))
        board_log(reg->board, LOG_LEVEL_INFO, "operator: action %d on process %u", (int)rq->action,
                  rq->process);
    if (text != NULL)
        answer(reg, rq->tag, text);
    return 0;
}
