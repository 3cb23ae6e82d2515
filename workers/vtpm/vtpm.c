#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "ipc/records.h"
#include "workers/journal.h"
#include "workers/vtpm/state.h"

enum {
    AUDIT_STATUS_CODE = 0x140, /* SetCommandCodeAuditStatus */
    EXECUTOR_STACK_BYTES = 512 * 1024,
    CANCEL_GUARD_US = 20,
};

static const uint64_t BACKGROUND_ID = UINT64_C(1) << 63;

/* --- what a guest sees --- */

/* The registers as they are now, for a successor, the supervisor and the guest. */
static void publish_registers(struct vtpm *v)
{
    crb_shared_publish(v->shared, v->epoch, &v->crb);
}

/* As they are since our last commit, if anybody has published them since. */
static int take_registers(struct vtpm *v)
{
    struct crb now;
    uint32_t epoch;
    int r = crb_shared_load(v->shared, &epoch, &now);

    if (r == 0 && epoch == v->epoch)
        v->crb = now;
    return r;
}

/*
 * The same for a successor. Its predecessor may have written anything there: what makes no sense, or contradicts its
 * last commit, is not taken.
 */
static void take_over_registers(struct vtpm *v, bool runs)
{
    struct crb committed = v->crb;

    (void)take_registers(v);
    if ((v->crb.state == CRB_RUNNING) != runs)
        v->crb = committed;
}

/* The response, then the word that says it is whole. */
static void publish_response(struct vtpm *v)
{
    if (v->response_len == 0)
        return;
    memcpy(v->buffer, v->response, v->response_len);
    region_set_note(&v->worker->region, NOTE_PUBLISHED, v->number);
    explicit_bzero(v->response, v->response_len);
    v->response_len = 0;
}

/* The guest may see that its command is done. */
static void time_command(struct vtpm *v)
{
    uint64_t took_ns;

    if (v->begun_ns == 0 || v->command.len != 0)
        return;
    took_ns = clock_now_ns() - v->begun_ns;
    board_took(v->row_took, took_ns);
    trace_add(&v->worker->trace, TRACE_TPM, v->code, 0, v->begun_ns, took_ns);
    v->begun_ns = 0;
}

/* After a commit: the response before START. */
void vtpm_released(void *self)
{
    struct vtpm *v = self;

    publish_response(v);
    publish_registers(v);
    time_command(v);
}

/*
 * The same for a successor. It publishes registers only if those of its last commit never were, for
 * then nobody else moves them: the supervisor waits for the command that was committed. If they were,
 * the supervisor may have moved them by now, and all that can be missing is a store to the page. Only we begin and end
 * a command: what says otherwise is not the supervisor's.
 */
static void publish_taken_over(struct vtpm *v)
{
    struct crb now;
    uint32_t epoch;

    publish_response(v);
    if (crb_shared_load(v->shared, &epoch, &now) == 0 && epoch == v->epoch &&
        (now.state == CRB_RUNNING) == (v->crb.state == CRB_RUNNING))
        crb_shared_refresh(v->shared);
    else
        publish_registers(v);
}

/* --- executing --- */

static void answer_error(struct vtpm *v, uint32_t rc)
{
    command_error(rc, v->response);
    v->response_len = COMMAND_HEADER_BYTES;
}

/* The response is there: v->response, or what libtpms left. State changes: a commit follows. */
static void finish(struct vtpm *v, uint32_t rc)
{
    if (rc == COMMAND_RC_CANCELED ||
        (rc == COMMAND_RC_OK &&
         command_response_code(v->tpm.response, v->tpm.response_len) == COMMAND_RC_CANCELED))
        board_inc(v->row_cancelled);
    if (!crb_finish(&v->crb)) {
        v->response_len = 0; /* the guest went idle meanwhile */
        return;
    }
    if (rc != COMMAND_RC_OK) {
        answer_error(v, rc);
        return;
    }
    v->response_len = v->tpm.response_len;
    memcpy(v->response, v->tpm.response, v->response_len);
    explicit_bzero(v->tpm.response, v->response_len);
}

static void forget_command(struct vtpm *v)
{
    explicit_bzero(v->command.bytes, sizeof(v->command.bytes));
    v->command.len = 0;
}

static void count_state(struct vtpm *v)
{
    board_set(v->row_exports, v->tpm.n_exports);
    board_set(v->row_state_bytes, v->tpm.permanent.len + v->tpm.volatile_state.len);
}

void vtpm_export_or_die(struct vtpm *v)
{
    if (tpm_export(&v->tpm) < 0)
        abort(); /* nothing may be acknowledged any more; a successor has the last commit */
    redo_forget(&v->redo);
    v->exported = true;
    count_state(v);
}

/* Numbers of the specification, and nothing of what the guest keeps there. */
static void note_failure(const struct vtpm *v, const struct vtpm_command *c)
{
    struct command parsed;

    if (command_parse(c->bytes, c->len, &parsed) == 0)
        board_log(&v->worker->board, LOG_LEVEL_DEBUG, "command %x: response %x", parsed.code,
                  command_response_code(v->tpm.response, v->tpm.response_len));
}

static bool response_ok(const struct vtpm *v)
{
    return command_response_code(v->tpm.response, v->tpm.response_len) == COMMAND_RC_OK;
}

/* Bring the TPM of the last export to where it was. */
static int redo_commands(struct vtpm *v)
{
    unsigned n = 0;
    int r = redo_all(&v->redo, &v->tpm, &n);

    board_set(v->row_redone, n);
    return r;
}

/* A command that broke the TPM is the only one that fails: the state before it still stands. */
static uint32_t roll_back(struct vtpm *v)
{
    if (tpm_roll_back(&v->tpm) < 0 || redo_commands(v) < 0)
        abort();
    board_inc(v->row_rolled_back);
    board_log(&v->worker->board, LOG_LEVEL_ERROR, "a command broke the TPM and was undone");
    return COMMAND_RC_FAILURE;
}

/*
 * Execute, and export the TPM unless a successor can do without: the command left it as it was, or is
 * one to redo. COMMAND_RC_OK: the response is v->tpm.response.
 */
static uint32_t execute(struct vtpm *v, struct vtpm_command *c, enum command_class class)
{
    size_t before = v->redo.len;
    bool known = class == COMMAND_READ_ONLY ||
                 (class == COMMAND_REDO && redo_add(&v->redo, c->locality, c->bytes, c->len));

    if (tpm_execute(&v->tpm, c->locality, c->bytes, c->len) < 0 ||
        v->tpm.response_len > sizeof(v->response)) {
        v->redo.len = before;
        return roll_back(v);
    }
    if (!response_ok(v))
        note_failure(v, c);
    if (!known || v->audited || v->tpm.stored.bytes != NULL ||
        (class == COMMAND_REDO && !response_ok(v)))
        vtpm_export_or_die(v);
    return COMMAND_RC_OK;
}

/* --- the executor --- */

/* Long commands: one at a time, without the lock while it runs. */
static void execute_queued(struct vtpm *v)
{
    struct vtpm_command c = v->command; /* libtpms decrypts in place; a commit needs the original */
    uint32_t rc = COMMAND_RC_CANCELED;
    bool cancelled;

    v->queued = false;
    v->taken_ns = clock_now_ns();
    cancelled = v->crb.cancel || v->crb.todo != 0;
    (void)pthread_mutex_unlock(&v->worker->lock);
    if (!cancelled)
        rc = execute(v, &c, COMMAND_LONG);
    (void)pthread_mutex_lock(&v->worker->lock);
    finish(v, rc);
    explicit_bzero(&c, sizeof(c));
    forget_command(v);
    v->epoch++;
    journal_commit(v->worker);
    vtpm_released(v);
    v->worker->background = 0;
    region_set_executing(&v->worker->region, 0);
}

static void *executor_main(void *self)
{
    struct vtpm *v = self;

    (void)pthread_mutex_lock(&v->worker->lock);
    v->executor_up = true;
    (void)pthread_cond_signal(&v->wake);
    while (!v->stopping) {
        if (v->queued)
            execute_queued(v);
        else
            (void)pthread_cond_wait(&v->wake, &v->worker->lock);
    }
    (void)pthread_mutex_unlock(&v->worker->lock);
    return NULL;
}

/* Its own start makes system calls that the run filter does not have. */
static void await_executor(struct vtpm *v)
{
    (void)pthread_mutex_lock(&v->worker->lock);
    while (!v->executor_up)
        (void)pthread_cond_wait(&v->wake, &v->worker->lock);
    (void)pthread_mutex_unlock(&v->worker->lock);
}

static int start_executor(struct vtpm *v)
{
    pthread_attr_t attr;
    int r = pthread_attr_init(&attr);

    if (r == 0)
        r = pthread_attr_setstacksize(&attr, EXECUTOR_STACK_BYTES);
    if (r == 0)
        r = pthread_cond_init(&v->wake, NULL);
    if (r == 0)
        r = pthread_create(&v->executor, &attr, executor_main, v);
    if (r == 0)
        await_executor(v);
    return -r;
}

/* The command is in v->command and committed with it, or loaded from a commit. */
static void queue(struct vtpm *v)
{
    v->worker->background = BACKGROUND_ID | v->number;
    v->queued = true;
    (void)pthread_cond_signal(&v->wake);
}

/*
 * libtpms forgets a cancel that comes before it has begun; so a command that has only just been
 * taken is cancelled until it must have begun.
 */
static void cancel_running(const struct vtpm *v)
{
    if (v->worker->parked || v->queued || v->worker->background == 0)
        return;
    do {
        tpm_cancel();
    } while (clock_now_ns() - v->taken_ns < CANCEL_GUARD_US * NS_PER_US);
}

/* --- START --- */

/* Which command, if there is one. */
static void say_command(struct vtpm *v, const struct vtpm_command *c)
{
    struct command header;

    v->code = command_parse(c->bytes, sizeof(c->bytes), &header) == 0 ? header.code : 0;
    if (v->code != 0)
        region_set_doing(&v->worker->region, DOING_TPM, v->code);
}

/* Read once: what is looked at afterwards is ours. 0, or the TPM's answer to such a command. */
static uint32_t take_command(struct vtpm *v, struct vtpm_command *c, struct command *ret)
{
    memcpy(c->bytes, v->buffer, sizeof(c->bytes));
    c->locality = v->crb.active;
    if (command_parse(c->bytes, sizeof(c->bytes), ret) < 0)
        return COMMAND_RC_SIZE;
    c->len = ret->len;
    return command_header_error(ret);
}

static enum command_class class_of(struct vtpm *v, const struct command *h)
{
    const struct command_row *row = command_find(h);

    if (row->class != COMMAND_BY_KEY && row->class != COMMAND_BY_CURVE)
        return row->class;
    if (v->audited) /* to ask the TPM about the key could be audited */
        return COMMAND_LONG;
    return tpm_key_is_slow(&v->tpm, h->words[row->key], row->class == COMMAND_BY_KEY)
               ? COMMAND_LONG
               : COMMAND_SHORT;
}

/* What the answer needs before it may be given. */
static enum access_result start(struct vtpm *v, bool poison)
{
    struct vtpm_command *c = &v->command;
    struct command header;
    enum command_class class;
    uint32_t rc;

    v->begun_ns = clock_now_ns();
    v->number++;
    v->epoch++;
    v->redo_logged = v->redo.len;
    v->exported = false;
    board_inc(v->row_commands);
    rc = take_command(v, c, &header);
    say_command(v, c);
    if (v->worker->parked)
        rc = COMMAND_RC_FAILURE;
    else if (poison || v->crb.cancel)
        rc = COMMAND_RC_CANCELED;
    if (poison)
        board_inc(v->row_poisoned);
    if (rc == COMMAND_RC_OK) {
        class = class_of(v, &header);
        v->audited = v->audited || header.code == AUDIT_STATUS_CODE;
        if (class == COMMAND_LONG) {
            board_inc(v->row_long);
            queue(v);
            return ACCESS_CHANGED;
        }
        rc = execute(v, c, class);
    }
    finish(v, rc);
    forget_command(v);
    return v->exported ? ACCESS_CHANGED : ACCESS_LOGGED;
}

/* --- accesses --- */

static bool is_ours(const struct port_request *rq)
{
    return rq->space == PORT_SPACE_MMIO && rq->addr >= CRB_ADDR &&
           range_inside(rq->addr - CRB_ADDR, rq->size, CRB_BYTES);
}

enum access_result vtpm_access(void *self, const struct port_request *rq, bool poison,
                               struct port_response *rs)
{
    struct vtpm *v = self;
    unsigned events;

    if (!is_ours(rq)) {
        rs->data = rq->op == PORT_READ ? all_ones(rq->size) : 0;
        return ACCESS_CLEAN;
    }
    (void)take_registers(v); /* nonsense is the supervisor's; then ours stand */
    if (rq->op == PORT_READ) {
        rs->data = crb_read(&v->crb, (uint32_t)(rq->addr - CRB_ADDR), rq->size);
        return ACCESS_CLEAN;
    }
    events = crb_write(&v->crb, (uint32_t)(rq->addr - CRB_ADDR), rq->size, rq->data);
    if ((events & CRB_REFUSED) != 0)
        board_inc(v->row_refused);
    if ((events & CRB_CANCELLED) != 0)
        cancel_running(v);
    if ((events & CRB_STARTED) != 0)
        return start(v, poison);
    if ((events & CRB_CHANGED) != 0)
        publish_registers(v);
    return ACCESS_CLEAN;
}

/* --- taking over --- */

/* A long command was being executed: again from the start, unless that is what kills us. */
static void resume(struct vtpm *v)
{
    bool poison = v->worker->poison == (BACKGROUND_ID | v->number);

    if (!poison && !v->worker->parked) {
        queue(v);
        say_command(v, &v->command);
        region_set_executing(&v->worker->region, v->worker->background);
        return;
    }
    if (poison)
        board_inc(v->row_poisoned);
    finish(v, v->worker->parked ? COMMAND_RC_FAILURE : COMMAND_RC_CANCELED);
    forget_command(v);
    v->epoch++;
    journal_commit(v->worker);
}

static int load_tpm(struct vtpm *v, const struct vtpm_saved *s)
{
    int r;

    if (v->worker->parked)
        return tpm_keep(&v->tpm, s->permanent, s->volatile_state);
    if (s->permanent.len == 0) /* parked before there ever was a TPM */
        return tpm_manufacture(&v->tpm);
    r = tpm_restore(&v->tpm, s->permanent, s->volatile_state);
    return r < 0 ? r : redo_commands(v);
}

static int load_saved(struct vtpm *v, struct rd *state)
{
    struct vtpm_saved s;
    int r = vtpm_parse_state(v, state, &s);

    if (r == 0)
        r = journal_each_record(v->worker, vtpm_take_record);
    if (r == 0)
        take_over_registers(v, s.command.len != 0);
    if (r == 0 && (v->crb.state == CRB_RUNNING) != (s.command.len != 0))
        r = -EBADMSG;
    if (r == 0)
        r = load_tpm(v, &s);
    if (r < 0)
        return r;
    v->audited = (s.flags & VTPM_FLAG_AUDITED) != 0;
    v->command.locality = (uint8_t)s.locality;
    v->command.len = (uint32_t)s.command.len;
    memcpy(v->command.bytes, s.command.at, s.command.len);
    if (region_note(&v->worker->region, NOTE_PUBLISHED) == v->number)
        v->response_len = 0;
    if (v->crb.state == CRB_RUNNING)
        resume(v);
    return 0;
}

static int load_fresh(struct vtpm *v)
{
    take_over_registers(v, false); /* a command that runs would have been committed */
    return v->worker->parked ? 0 : tpm_manufacture(&v->tpm);
}

static void add_rows(struct vtpm *v)
{
    struct board *b = &v->worker->board;

    v->row_commands = board_add(b, BOARD_COUNTER, "crb/commands");
    v->row_took = board_add(b, BOARD_HISTOGRAM, "crb/command");
    v->row_long = board_add(b, BOARD_COUNTER, "crb/commands_long");
    v->row_cancelled = board_add(b, BOARD_COUNTER, "crb/cancelled");
    v->row_refused = board_add(b, BOARD_COUNTER, "crb/refused_writes");
    v->row_poisoned = board_add(b, BOARD_COUNTER, "crb/poisoned");
    v->row_exports = board_add(b, BOARD_COUNTER, "tpm/exports");
    v->row_redone = board_add(b, BOARD_GAUGE, "tpm/redone");
    v->row_rolled_back = board_add(b, BOARD_COUNTER, "tpm/rolled_back");
    v->row_state_bytes = board_add(b, BOARD_GAUGE, "tpm/state_bytes");
    v->row_restore_us = board_add(b, BOARD_GAUGE, "tpm/restore_us");
    board_text(board_add(b, BOARD_TEXT, "tpm/persistence"), "volatile over VM runs");
    board_text(board_add(b, BOARD_TEXT, "tpm/state"),
               v->worker->parked ? "parked: every command fails" : "running");
}

int vtpm_load(void *self, struct rd *state, uint32_t schema)
{
    struct vtpm *v = self;
    uint64_t begin = clock_now_ns();
    int r;

    (void)schema; /* there is only one */
    add_rows(v);
    (void)pthread_mutex_lock(&v->worker->lock);
    r = state == NULL ? load_fresh(v) : load_saved(v, state);
    if (r == 0) {
        count_state(v);
        board_set(v->row_restore_us, (clock_now_ns() - begin) / NS_PER_US);
        publish_taken_over(v);
    }
    (void)pthread_mutex_unlock(&v->worker->lock);
    return r;
}

/* --- set-up --- */

int vtpm_setup_mapped(struct vtpm *v, struct worker *w, void *shared, void *buffer)
{
    int r;

    v->worker = w;
    v->shared = shared;
    v->buffer = buffer;
    r = tpm_setup(&v->tpm);
    return r < 0 ? r : start_executor(v);
}

int vtpm_setup(void *self, struct worker *w)
{
    void *shared = NULL;
    void *buffer = NULL;
    int r = worker_map(w, OBJECT_CRB_REGISTERS, 0, &shared);

    if (r == 0)
        r = worker_map(w, OBJECT_CRB_BUFFER, 0, &buffer);
    return r < 0 ? r : vtpm_setup_mapped(self, w, shared, buffer);
}

void vtpm_done(struct vtpm *v)
{
    (void)pthread_mutex_lock(&v->worker->lock);
    v->stopping = true;
    (void)pthread_cond_signal(&v->wake);
    (void)pthread_mutex_unlock(&v->worker->lock);
    (void)pthread_join(v->executor, NULL);
    (void)pthread_cond_destroy(&v->wake);
    tpm_done(&v->tpm);
    explicit_bzero(v, sizeof(*v));
}
