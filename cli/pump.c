#include "cli/pump.h"

#include <ctype.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/escape.h"
#include "cli/frames.h"
#include "cli/stream.h"
#include "cli/terminal.h"

enum {
    LINGER_S = 10,   /* from "the guest ended" to the end of the process that held it */
    DRAIN_MS = 1000, /* from its end to the end of the streams */
    QUIET_MS = 200,  /* a script's output is complete when nothing came for that long */
    STATUS_DIGITS = 3,
};

static const int ending_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

enum {
    N_ENDING_SIGNALS = 4,
};
_Static_assert(COUNT_OF(ending_signals) == N_ENDING_SIGNALS, "one event each");

struct pump {
    const struct pump_options *options;
    struct event_base *base;
    struct child *child;
    struct pump_logs *logs;
    struct outcome *outcome;

    struct source streams[STREAM_COUNT];
    struct source log, keys;
    struct outlet out, err, com1, com3;
    struct event *signals[N_ENDING_SIGNALS];
    struct event *resumed, *died, *timeout, *silence, *wind_down;

    struct frames frames;
    struct escape escape;
    char status_text[STATUS_DIGITS + 1]; /* the script's, as it comes in */
    size_t status_len;
    bool raw;        /* the terminal is: lines need their own carriage return */
    bool line_begun; /* of the script's output, prefixed on stderr */
};

/* --- the end --- */

static void finish(struct pump *p)
{
    (void)event_base_loopbreak(p->base);
}

static void go_off_in(struct event *timer, uint64_t ms)
{
    struct timeval delay = {.tv_sec = (time_t)(ms / 1000),
                            .tv_usec = (suseconds_t)(ms % 1000) * 1000};

    (void)event_add(timer, &delay);
}

static void wind_down_in(struct pump *p, unsigned ms)
{
    go_off_in(p->wind_down, ms);
}

static bool all_written(const struct pump *p)
{
    return outlet_empty(&p->out) && outlet_empty(&p->err);
}

static bool all_read(const struct pump *p)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        if (!p->streams[i].ended)
            return false;
    }
    return p->log.ended;
}

/* A slow reader of our output gets all of it; whoever wants to stop waiting has the timeout. */
static void on_wind_down(evutil_socket_t fd, short what, void *arg)
{
    struct pump *p = arg;

    (void)fd;
    (void)what;
    if (all_written(p))
        finish(p);
    else
        wind_down_in(p, QUIET_MS);
}

static void finish_when_drained(struct pump *p)
{
    if (p->outcome->child_gone && all_read(p))
        wind_down_in(p, 0);
}

/* Dead, but what it said may still be on its way. */
static void on_died(evutil_socket_t fd, short what, void *arg)
{
    struct pump *p = arg;

    (void)fd;
    (void)what;
    if (!child_reap(p->child))
        return;
    (void)event_del(p->died);
    p->outcome->child_gone = true;
    p->outcome->child_status = p->child->status;
    wind_down_in(p, DRAIN_MS);
    finish_when_drained(p);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct pump *p = arg;

    (void)fd;
    (void)what;
    p->outcome->timed_out = true;
    finish(p);
}

/* As long as init says who it waits for, it has a limit of its own. */
static void expect_word(struct pump *p)
{
    if (p->options->silence_s != 0)
        go_off_in(p->silence, p->options->silence_s * UINT64_C(1000));
}

static void on_silence(evutil_socket_t fd, short what, void *arg)
{
    struct pump *p = arg;

    (void)fd;
    (void)what;
    p->outcome->silent = true;
    finish(p);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct pump *p = arg;

    (void)what;
    p->outcome->signal = number;
    finish(p);
}

static void on_resumed(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    (void)arg;
    terminal_again();
}

/* --- reports --- */

static void copy_text(char *to, size_t len, const char *from)
{
    (void)snprintf(to, len, "%s", from);
    for (char *c = to; *c != '\0'; c++) {
        if (!isprint((unsigned char)*c))
            *c = '?';
    }
}

/* The console is the person's from here on. Whatever was typed so far waits for the guest. */
static void open_console(struct pump *p)
{
    if (p->options->exec)
        return;
    source_start(&p->streams[STREAM_COM1]);
    if (p->options->vtl2_exec)
        return;
    p->raw = terminal_raw(STDIN_FILENO) == 0;
    if (p->raw || !isatty(STDIN_FILENO)) /* in the background, reading would stop us */
        source_start(&p->keys);
}

/* The script in the guest may wait for the one beside it: tools/guest/init keeps what it hears. */
static void tell_guest_status(struct pump *p)
{
    char line[STATUS_DIGITS + 2];
    int len = snprintf(line, sizeof(line), "%d\n", p->outcome->vtl2_status);

    outlet_put(&p->com3, line, (size_t)len);
}

static void take_report(struct pump *p, const Bulkhead__Report *r)
{
    struct outcome *o = p->outcome;

    if (!o->started)
        expect_word(p);
    if (r->waits_for[0] != '\0')
        copy_text(o->waits_for, sizeof(o->waits_for), r->waits_for);
    if (r->started_us != 0 && !o->started) {
        (void)event_del(p->silence);
        o->started = true;
        p->options->started(p->options->self, r);
        open_console(p);
    }
    if (r->vtl2_done) {
        o->vtl2_done = true;
        o->vtl2_status = r->vtl2_status & 0xff;
        if (o->exec)
            tell_guest_status(p);
        else
            wind_down_in(p, QUIET_MS);
    }
    if (r->ended != NULL) {
        o->guest_ended = true;
        o->how = r->ended->how;
        copy_text(o->how_text, sizeof(o->how_text), r->ended->text);
        if (p->options->ended != NULL)
            p->options->ended(p->options->self, r->ended);
        wind_down_in(p, LINGER_S * 1000);
    }
    if (r->error[0] != '\0') {
        copy_text(o->error, sizeof(o->error), r->error);
        wind_down_in(p, LINGER_S * 1000);
    }
}

/* The stream comes from the most privileged process of the VM; it is parsed as if it did not. */
static void take_frame(struct pump *p, struct span frame)
{
    Bulkhead__Report *r = bulkhead__report__unpack(NULL, frame.len, frame.at);

    if (r == NULL) {
        copy_text(p->outcome->error, sizeof(p->outcome->error), "init sent a report that is none");
        return;
    }
    take_report(p, r);
    bulkhead__report__free_unpacked(r, NULL);
}

static void on_report(void *self, char *bytes, size_t len)
{
    struct pump *p = self;
    struct span frame;

    if (len == 0)
        finish_when_drained(p);
    while (len > 0) {
        size_t taken = frames_feed(&p->frames, bytes, len);
        int r;

        bytes += taken;
        len -= taken;
        while ((r = frames_next(&p->frames, &frame)) == 1) {
            take_frame(p, frame);
            frames_drop(&p->frames);
        }
        if (r < 0) {
            copy_text(p->outcome->error, sizeof(p->outcome->error), "init's reports are garbled");
            source_stop(&p->streams[STREAM_REPORT]);
            finish(p);
            return;
        }
    }
}

/* --- the guest's serial lines --- */

static void on_no_reader(void *self)
{
    struct pump *p = self;

    p->outcome->no_reader = true;
    finish(p);
}

static void on_com1(void *self, char *bytes, size_t len)
{
    struct pump *p = self;

    if (len == 0) {
        finish_when_drained(p);
        return;
    }
    if (!p->options->exec && !p->options->vtl2_exec) {
        outlet_put(&p->out, bytes, len);
        return;
    }
    tail_add(&p->logs->console, bytes, len);
    if (p->options->verbose)
        outlet_put(&p->err, bytes, len);
}

static void on_com2(void *self, char *bytes, size_t len)
{
    struct pump *p = self;

    if (len == 0)
        finish_when_drained(p);
    else if (p->options->exec)
        outlet_put(&p->out, bytes, len);
}

/* One decimal line: the script's exit status. Anything else is not it. */
static void on_com3(void *self, char *bytes, size_t len)
{
    struct pump *p = self;
    struct outcome *o = p->outcome;

    if (len == 0)
        finish_when_drained(p);
    for (size_t i = 0; i < len && p->options->exec && !o->script_done; i++) {
        if (isdigit((unsigned char)bytes[i]) && p->status_len < STATUS_DIGITS) {
            p->status_text[p->status_len++] = bytes[i];
        } else if (bytes[i] == '\n' && p->status_len > 0) {
            o->script_done = true;
            o->script_status = (int)strtoul(p->status_text, NULL, 10) & 0xff;
        } else if (bytes[i] != '\r') {
            p->status_len = 0;
            memset(p->status_text, 0, sizeof(p->status_text));
        }
    }
}

static void on_com4(void *self, char *bytes, size_t len)
{
    (void)bytes;
    if (len == 0)
        finish_when_drained(self);
}

/* --- the other streams --- */

static void put_prefixed(struct pump *p, const char *bytes, size_t len)
{
    static const char prefix[] = "vtl2: ";

    while (len > 0) {
        const char *newline = memchr(bytes, '\n', len);
        size_t n = newline != NULL ? (size_t)(newline - bytes) : len;

        if (!p->line_begun)
            outlet_put(&p->err, prefix, sizeof(prefix) - 1);
        outlet_put(&p->err, bytes, n);
        p->line_begun = newline == NULL;
        if (newline == NULL)
            return;
        outlet_put(&p->err, p->raw ? "\r\n" : "\n", p->raw ? 2 : 1);
        bytes += n + 1;
        len -= n + 1;
    }
}

static void on_vtl2(void *self, char *bytes, size_t len)
{
    struct pump *p = self;

    if (len == 0) {
        finish_when_drained(p);
        return;
    }
    if (p->options->exec)
        put_prefixed(p, bytes, len);
    else
        outlet_put(&p->out, bytes, len);
    if (p->outcome->vtl2_done && !p->options->exec)
        wind_down_in(p, QUIET_MS);
}

static void on_log(void *self, char *bytes, size_t len)
{
    struct pump *p = self;

    if (len == 0) {
        finish_when_drained(p);
        return;
    }
    tail_add(&p->logs->outside, bytes, len);
    if (p->options->verbose)
        outlet_put(&p->err, bytes, len);
}

static void on_keys(void *self, char *bytes, size_t len)
{
    struct pump *p = self;
    size_t kept;

    if (len == 0) { /* a file is at its end, or the terminal went away */
        if (isatty(STDIN_FILENO) || p->raw)
            on_signal(SIGHUP, 0, p);
        return;
    }
    kept = len;
    if (p->raw && escape_filter(&p->escape, bytes, len, &kept)) {
        p->outcome->left = true;
        finish(p);
    }
    outlet_put(&p->com1, bytes, kept);
}

/* --- the NICs' other ends --- */

static void on_net(void *self, const char *line)
{
    static const char prefix[] = "bulkhead: ";
    struct pump *p = self;

    outlet_put(&p->err, prefix, sizeof(prefix) - 1);
    outlet_put(&p->err, line, strlen(line));
    outlet_put(&p->err, p->raw ? "\r\n" : "\n", p->raw ? 2 : 1);
}

/* --- setting up --- */

static void (*const take_stream[STREAM_COUNT])(void *self, char *bytes, size_t len) = {
    [STREAM_REPORT] = on_report, [STREAM_COM1] = on_com1, [STREAM_COM2] = on_com2,
    [STREAM_COM3] = on_com3,     [STREAM_COM4] = on_com4, [STREAM_VTL2] = on_vtl2,
};

/* poll: it also takes regular files, which stdin and stdout may be. */
static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config != NULL && event_config_require_features(config, EV_FEATURE_FDS) == 0)
        base = event_base_new_with_config(config);
    if (config != NULL)
        event_config_free(config);
    return base;
}

static int init_sources(struct pump *p)
{
    int r = source_init(&p->log, p->base, p->child->log, on_log, p);

    for (unsigned i = 0; r == 0 && i < STREAM_COUNT; i++)
        r = source_init(&p->streams[i], p->base, p->child->streams[i], take_stream[i], p);
    if (r == 0)
        r = source_init(&p->keys, p->base, STDIN_FILENO, on_keys, p);
    return r;
}

/* Who fills stdout depends on what is asked for. */
static struct source *feeder_of_stdout(struct pump *p)
{
    if (p->options->exec)
        return &p->streams[STREAM_COM2];
    return &p->streams[p->options->vtl2_exec ? STREAM_VTL2 : STREAM_COM1];
}

static int init_outlets(struct pump *p)
{
    int r = outlet_init(&p->out, p->base, STDOUT_FILENO, feeder_of_stdout(p));

    if (r == 0)
        r = outlet_init(&p->err, p->base, STDERR_FILENO,
                        p->options->exec ? &p->streams[STREAM_VTL2] : NULL);
    if (r == 0)
        r = outlet_init(&p->com1, p->base, p->child->streams[STREAM_COM1], &p->keys);
    if (r == 0)
        r = outlet_init(&p->com3, p->base, p->child->streams[STREAM_COM3], NULL);
    p->out.lost = on_no_reader;
    p->out.self = p;
    return r;
}

static int init_events(struct pump *p)
{
    for (unsigned i = 0; i < N_ENDING_SIGNALS; i++) {
        p->signals[i] = evsignal_new(p->base, ending_signals[i], on_signal, p);
        if (p->signals[i] == NULL || event_add(p->signals[i], NULL) < 0)
            return -ENOMEM;
    }
    p->resumed = evsignal_new(p->base, SIGCONT, on_resumed, p);
    p->died = event_new(p->base, p->child->pidfd, EV_READ | EV_PERSIST, on_died, p);
    p->timeout = evtimer_new(p->base, on_timeout, p);
    p->silence = evtimer_new(p->base, on_silence, p);
    p->wind_down = evtimer_new(p->base, on_wind_down, p);
    if (p->resumed == NULL || p->died == NULL || p->timeout == NULL || p->silence == NULL ||
        p->wind_down == NULL)
        return -ENOMEM;
    return event_add(p->resumed, NULL) < 0 || event_add(p->died, NULL) < 0 ? -ENOMEM : 0;
}

static void start_sources(struct pump *p)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        source_start(&p->streams[i]);
    source_start(&p->log);
    if (!p->options->exec && !p->options->vtl2_exec)
        source_stop(&p->streams[STREAM_COM1]); /* until the report has been shown */
    if (p->options->timeout_s != 0)
        go_off_in(p->timeout, p->options->timeout_s * UINT64_C(1000));
    expect_word(p);
}

static void free_event(struct event *event)
{
    if (event != NULL)
        event_free(event);
}

static void pump_done(struct pump *p)
{
    terminal_restore();
    net_ends_unwatch(p->options->nets);
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        source_done(&p->streams[i]);
    source_done(&p->log);
    source_done(&p->keys);
    if (p->base != NULL) {
        outlet_done(&p->com1);
        outlet_done(&p->com3);
        outlet_done(&p->err);
        outlet_done(&p->out);
    }
    for (unsigned i = 0; i < N_ENDING_SIGNALS; i++)
        free_event(p->signals[i]);
    free_event(p->resumed);
    free_event(p->died);
    free_event(p->timeout);
    free_event(p->silence);
    free_event(p->wind_down);
    if (p->base != NULL)
        event_base_free(p->base);
    free(p);
}

static int set_up(struct pump *p)
{
    int r;

    p->base = make_base();
    if (p->base == NULL)
        return -ENOMEM;
    (void)signal(SIGPIPE, SIG_IGN);
    r = init_sources(p);
    if (r == 0)
        r = init_outlets(p);
    if (r == 0)
        r = init_events(p);
    if (r == 0)
        r = net_ends_watch(p->options->nets, p->base, on_net, p);
    return r;
}

int pump_run(struct child *child, const struct pump_options *options, struct pump_logs *logs,
             struct outcome *ret)
{
    struct pump *p = calloc(1, sizeof(*p)); /* the frame buffer is too much for a stack */
    int r;

    if (p == NULL)
        return -ENOMEM;
    p->options = options;
    p->child = child;
    p->logs = logs;
    p->outcome = ret;
    ret->exec = options->exec;
    ret->vtl2_exec = options->vtl2_exec;
    ret->timeout_s = options->timeout_s;
    ret->silence_s = options->silence_s;
    r = set_up(p);
    if (r == 0) {
        start_sources(p);
        if (event_base_dispatch(p->base) < 0)
            r = -EIO;
    }
    pump_done(p);
    return r;
}
