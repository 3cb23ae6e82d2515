/*
 * workers/diag/routes.h - which call a request is: one table of methods and paths (docs/openapi.json).
 */
#pragma once

#include <event2/http.h>
#include <jansson.h>
#include <stdbool.h>

#include "admin.pb-c.h"
#include "base/macro.h"

/* How an answer's elements follow one another. */
enum shape {
    SHAPE_DONE,          /* {}: there is nothing to tell */
    SHAPE_LIST,          /* [a,b] */
    SHAPE_TRACE,         /* {"traceEvents":[a,b]} */
    SHAPE_OBJECT,        /* {"path":value} */
    SHAPE_LINES,         /* one a line */
    SHAPE_EVENTS,        /* the same, as they come: text/event-stream */
    SHAPE_METRICS,       /* OpenMetrics text */
    SHAPE_METRICS_PLAIN, /* the older format */
    SHAPE_BYTES,         /* the debug worker's bytes as they are: an ELF core */
    SHAPE_TEXT,          /* the same, of JSON */
    SHAPE_FRAMES, /* AdminAnswer as root's get it, each after its length: four bytes, little-endian */
};

/* A call that is being put together; no text outlives it. routed_done() frees. */
struct routed {
    Bulkhead__AdminCall *unpacked; /* what call was copied from; NULL: nothing */
    Bulkhead__AdminCall call;
    Bulkhead__DiskChange disk_change;
    Bulkhead__Disk disk;
    Bulkhead__LinkChange link;
    char target[256];
    enum shape shape;
};

struct caller;
struct diag;
struct https;

struct route {
    enum evhttp_cmd_type method;
    const char *path; /* "*" stands for one component */
    /* NULL, or what is answered at once, to every operator: a JSON value. The rest of the row is not looked at. */
    json_t *(*tell)(const struct diag *d, const struct caller *caller);
    Bulkhead__AdminCall__Verb verb;
    enum shape shape;
    /* Fill in the rest. part: the component; query, body: as they came. NULL, or what is wrong. */
    const char *(*fill)(struct routed *r, const char *part, const struct evkeyvalq *query,
                        struct evbuffer *body);
    /* NULL, or what takes it: it is no call. Then tell and fill are not looked at, and no call is counted. */
    void (*take)(struct https *h, struct evhttp_request *request, const struct caller *caller,
                 const char *part);
};

/* 0 and *ret, or the status to answer with: 404, 405. part is what "*" stands for, or empty. */
int MUST_USE route_find(enum evhttp_cmd_type method, const char *path, const struct route **ret,
                        char part[256]);

/* All of them, ended by one without a path. */
extern const struct route routes[];

/* NULL, or what is wrong with the request. */
const char *route_fill(const struct route *route, const char *part, const char *query,
                       struct evbuffer *body, struct routed *ret);

void routed_done(struct routed *r);

/* A number in decimal digits, and nothing else. */
bool route_number(const char *text, uint32_t *ret);
