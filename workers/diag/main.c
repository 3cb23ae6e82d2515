/*
 * workers/diag/main.c - the diag worker: shows operators every board, hands on what they ask for.
 *
 * Joins the sessions (diag.h) to the skeleton (worker.h). One thread.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/heap.h"
#include "workers/diag/diag.h"
#include "workers/diag/kind.h"
#include "workers/diag/operator.h"
#include "workers/diag/profile.h"
#include "workers/worker.h"

enum {
    HEAP_BYTES = 352 * 1024, /* more than all that is allocated later */
    OWN_HEAP_BYTES = 16 * 1024,
};
/* The filter has no brk: an operator whose call took more would end the worker. */
_Static_assert(OPERATOR_CALL_MAX_BYTES *OPERATOR_CALL_HEAP_FACTOR + OWN_HEAP_BYTES <= HEAP_BYTES,
               "the worst call fits");

/* Its own board is shown like the others'. */
static int map_boards(struct diag *d, struct worker *w)
{
    d->boards[PROCESS_DIAG] = w->board.page;
    for (unsigned i = 0; i < PROCESS_COUNT; i++) {
        void *page;
        int r;

        if (i == PROCESS_DIAG)
            continue;
        r = worker_map(w, OBJECT_BOARD, i, &page);
        if (r < 0)
            return r;
        d->boards[i] = page;
    }
    return 0;
}

/* Operators who come over the network, if they may. And with them, all of the heap. */
static int let_in(struct diag *d, struct worker *w)
{
    int listener = worker_fd(w, OBJECT_REMOTE, 0);
    const struct tls_page *page;
    const char *why = "";
    void *at;
    int r = worker_map(w, OBJECT_TLS, 0, &at);

    if (r < 0)
        return r;
    page = at;
    if (listener != DIAG_FD_REMOTE) /* the filter names it */
        return listener < 0 ? listener : -EPROTO;
    if (page->len[TLS_CERTIFICATE] == 0)
        return heap_take(HEAP_BYTES);
    if (diag_kind.network == NULL) {
        board_log(&w->board, LOG_LEVEL_ERROR, "nobody comes in over the network: not this program");
        return -ENOTSUP;
    }
    r = diag_let_in(d, diag_kind.network, listener, page, &why);
    if (r < 0)
        board_log(&w->board, LOG_LEVEL_ERROR, "nobody comes in over the network: %s", why);
    return r < 0 ? r : heap_take(HEAP_BYTES + HTTPS_HEAP_BYTES);
}

static int map_traces(struct diag *d, struct worker *w)
{
    for (unsigned p = 0; p < PROCESS_COUNT; p++) {
        void *rings;
        int r = trace_rings(p) == 0 ? -ENOENT : worker_map(w, OBJECT_TRACE, p, &rings);

        if (r == 0)
            d->traces[p] = rings;
        else if (r != -ENOENT || trace_rings(p) != 0)
            return r;
    }
    return 0;
}

static int setup(void *self, struct worker *w)
{
    struct diag *d = self;
    int listener = worker_fd(w, OBJECT_OPERATOR, 0);
    void *capture, *records, *audit, *revoked;
    int r;

    w->filter = diag_kind.filter;
    if (listener != DIAG_FD_OPERATOR) /* the filter names it */
        return listener < 0 ? listener : -EPROTO;
    r = map_boards(d, w);
    if (r == 0)
        r = worker_map(w, OBJECT_CAPTURE, 0, &capture);
    if (r == 0)
        r = worker_map(w, OBJECT_RECORDS, 0, &records);
    if (r == 0)
        r = map_traces(d, w);
    if (r == 0)
        r = worker_map(w, OBJECT_AUDIT, 0, &audit);
    if (r == 0)
        r = worker_map(w, OBJECT_REVOKED, 0, &revoked);
    if (r < 0)
        return r;
    d->debug.stream = worker_fd(w, OBJECT_DEBUG, 1);
    if (d->debug.stream < 0)
        return d->debug.stream;
    d->capture = capture;
    d->records = records;
    d->audit.page = audit;
    d->revoked = revoked;
    r = diag_init(d, listener, FD_CONTROL);
    return r < 0 ? r : let_in(d, w);
}

static int run(void *self, struct worker *w)
{
    struct diag *d = self;

    d->confidential = w->confidential;
    return diag_run(d, &w->board) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static const struct worker_ops diag_ops = {
    .process = PROCESS_DIAG,
    .setup = setup,
    .run = run,
};

int main(int argc, char **argv)
{
    struct diag *d = calloc(1, sizeof(*d));

    return d == NULL ? EXIT_FAILURE : worker_main(&diag_ops, d, argc, argv);
}
