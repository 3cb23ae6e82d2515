#include "workers/diag/routes.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/board.h"
#include "workers/diag/http_debug.h"
#include "workers/diag/inspect.h"
#include "workers/diag/operator.h"
#include "workers/diag/revoked.h"
#include "workers/diag/tell.h"

enum {
    BODY_MAX = 1024, /* of JSON */
    TRACE_DEFAULT_S = 5,
};

/* --- what comes along --- */

static const char *take_text(struct routed *r, const char *text, const char *wrong)
{
    if (strlen(text) >= sizeof(r->target))
        return wrong;
    (void)snprintf(r->target, sizeof(r->target), "%s", text);
    r->call.target = r->target;
    return NULL;
}

bool route_number(const char *text, uint32_t *ret)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    *ret = (uint32_t)n;
    return *text >= '0' && *text <= '9' && *end == '\0' && n <= UINT32_MAX;
}

static const char *fill_inspect(struct routed *r, const char *part, const struct evkeyvalq *query,
                                struct evbuffer *body)
{
    const char *path = evhttp_find_header(query, "path");
    const char *depth = evhttp_find_header(query, "depth");
    uint32_t number = 0;

    (void)part;
    (void)body;
    if (depth != NULL &&
        (!route_number(depth, &number) || number == 0 || number > INSPECT_DEPTH_MAX))
        return "depth is a number from 1 to 16";
    r->call.number = number;
    return path == NULL ? NULL : take_text(r, path, "the path is too long");
}

static const char *fill_logs(struct routed *r, const char *part, const struct evkeyvalq *query,
                             struct evbuffer *body)
{
    const char *worker = evhttp_find_header(query, "worker");
    const char *follow = evhttp_find_header(query, "follow");

    (void)part;
    (void)body;
    r->call.follow = follow != NULL && strcmp(follow, "1") == 0;
    if (r->call.follow)
        r->shape = SHAPE_EVENTS;
    return worker == NULL ? NULL : take_text(r, worker, "no process has such a name");
}

static const char *fill_events(struct routed *r, const char *part, const struct evkeyvalq *query,
                               struct evbuffer *body)
{
    (void)part;
    (void)query;
    (void)body;
    r->call.follow = true;
    return NULL;
}

static const char *fill_crash(struct routed *r, const char *part, const struct evkeyvalq *query,
                              struct evbuffer *body)
{
    uint32_t number;

    (void)query;
    (void)body;
    if (!route_number(part, &number) || number == 0)
        return "a crash is a number";
    r->call.number = number;
    return NULL;
}

static const char *fill_metrics(struct routed *r, const char *part, const struct evkeyvalq *query,
                                struct evbuffer *body)
{
    const char *plain = evhttp_find_header(query, "plain");

    (void)part;
    (void)body;
    r->call.plain = plain != NULL && strcmp(plain, "1") == 0;
    if (r->call.plain)
        r->shape = SHAPE_METRICS_PLAIN;
    return NULL;
}

static const char *fill_trace(struct routed *r, const char *part, const struct evkeyvalq *query,
                              struct evbuffer *body)
{
    const char *seconds = evhttp_find_header(query, "seconds");
    uint32_t number = TRACE_DEFAULT_S;

    (void)part;
    (void)body;
    if (seconds != NULL && (!route_number(seconds, &number) || number == 0))
        return "seconds is a number from 1 on";
    r->call.number = number;
    return NULL;
}

static const char *fill_process(struct routed *r, const char *part, const struct evkeyvalq *query,
                                struct evbuffer *body)
{
    (void)query;
    if (evbuffer_get_length(body) != 0)
        return "nothing is to be sent with it";
    return take_text(r, part, "no process has such a name");
}

/* An object, or NULL. The caller frees it. */
static json_t *read_json(struct evbuffer *body)
{
    char text[BODY_MAX];
    ev_ssize_t len = evbuffer_copyout(body, text, sizeof(text));
    json_t *value;

    if (len <= 0 || len == (ev_ssize_t)sizeof(text))
        return NULL;
    value = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

static const char *fill_link(struct routed *r, const char *part, const struct evkeyvalq *query,
                             struct evbuffer *body)
{
    json_t *value = read_json(body);
    int up = -1;
    bool good = value != NULL && json_unpack(value, "{s:b!}", "up", &up) == 0;

    (void)query;
    json_decref(value);
    if (!good)
        return "a body like {\"up\": true} is wanted";
    bulkhead__link_change__init(&r->link);
    r->link.up = up != 0;
    r->call.link = &r->link;
    return route_number(part, &r->link.nic) ? NULL : "a NIC is a number";
}

static const char *fill_level(struct routed *r, const char *part, const struct evkeyvalq *query,
                              struct evbuffer *body)
{
    json_t *value = read_json(body);
    const char *wanted = "", *name;

    (void)query;
    if (value != NULL && json_unpack(value, "{s:s!}", "level", &wanted) < 0)
        wanted = "";
    for (unsigned level = LOG_LEVEL_ERROR; (name = log_level_name(level)) != NULL; level++) {
        if (strcmp(name, wanted) == 0)
            r->call.number = level;
    }
    json_decref(value);
    return r->call.number == 0
               ? "a body like {\"level\": \"debug\"} is wanted; levels are error, warn, info and debug"
               : take_text(r, part, "no process has such a name");
}

static bool find_action(const char *name, Bulkhead__DiskChange__Action *ret)
{
    static const struct {
        const char *name;
        Bulkhead__DiskChange__Action action;
    } actions[] = {
        {"remove", BULKHEAD__DISK_CHANGE__ACTION__REMOVE},
        {"resize", BULKHEAD__DISK_CHANGE__ACTION__RESIZE},
        {"eject",  BULKHEAD__DISK_CHANGE__ACTION__EJECT },
    };

    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        if (strcmp(name, actions[i].name) == 0) {
            *ret = actions[i].action;
            return true;
        }
    }
    return false;
}

/* A file to add cannot come from afar: who names it must be able to open it. */
static const char *fill_disk(struct routed *r, const char *part, const struct evkeyvalq *query,
                             struct evbuffer *body)
{
    json_t *value = read_json(body);
    json_int_t controller = -1, lun = -1;
    const char *name = "";
    bool good;

    (void)part;
    (void)query;
    bulkhead__disk_change__init(&r->disk_change);
    bulkhead__disk__init(&r->disk);
    good = value != NULL &&
           json_unpack(value, "{s:s, s:I, s:I!}", "action", &name, "controller", &controller, "lun",
                       &lun) == 0 &&
           find_action(name, &r->disk_change.action) && controller >= 0 &&
           controller <= UINT16_MAX && lun >= 0 && lun <= UINT16_MAX;
    json_decref(value);
    if (!good)
        return "a body like {\"action\": \"remove\", \"controller\": 0, \"lun\": 1} is wanted; actions are remove, "
               "resize and eject";
    r->disk.controller = (uint32_t)controller;
    r->disk.lun = (uint32_t)lun;
    r->disk_change.disk = &r->disk;
    r->call.disk = &r->disk_change;
    return NULL;
}

/* Root's own words. What comes along with them as a descriptor cannot come this way. */
static const char *fill_call(struct routed *r, const char *part, const struct evkeyvalq *query,
                             struct evbuffer *body)
{
    uint8_t bytes[OPERATOR_CALL_MAX_BYTES];
    ev_ssize_t len = evbuffer_copyout(body, bytes, sizeof(bytes));

    (void)part;
    (void)query;
    if (len > 0 && evbuffer_get_length(body) == (size_t)len)
        r->unpacked = bulkhead__admin_call__unpack(NULL, (size_t)len, bytes);
    if (r->unpacked == NULL)
        return "an AdminCall of proto/admin.proto is wanted";
    r->call = *r->unpacked;
    return NULL;
}

void routed_done(struct routed *r)
{
    if (r->unpacked != NULL)
        bulkhead__admin_call__free_unpacked(r->unpacked, NULL);
    r->unpacked = NULL;
}

static const char *fill_nothing(struct routed *r, const char *part, const struct evkeyvalq *query,
                                struct evbuffer *body)
{
    (void)r;
    (void)part;
    (void)query;
    return evbuffer_get_length(body) == 0 ? NULL : "nothing is to be sent with it";
}

/* --- the table --- */

#define VERB(name) BULKHEAD__ADMIN_CALL__VERB__##name

/* clang-format off */
const struct route routes[] = {
    {EVHTTP_REQ_GET,  "/v1/health",              tell_health,  VERB(NONE),    SHAPE_DONE,   NULL},
    {EVHTTP_REQ_GET,  "/v1/processes",           tell_processes, VERB(NONE),  SHAPE_DONE,   NULL},
    {EVHTTP_REQ_GET,  "/v1/version",             tell_version, VERB(NONE),    SHAPE_DONE,   NULL},
    {EVHTTP_REQ_GET,  "/v1/whoami",              tell_whoami,  VERB(NONE),    SHAPE_DONE,   NULL},
    {EVHTTP_REQ_GET,  "/v1/ps",                  NULL,         VERB(PS),      SHAPE_LIST,   NULL},
    {EVHTTP_REQ_GET,  "/v1/inspect",             NULL,         VERB(INSPECT), SHAPE_OBJECT, fill_inspect},
    {EVHTTP_REQ_GET,  "/v1/logs",                NULL,         VERB(LOGS),    SHAPE_LINES,  fill_logs},
    {EVHTTP_REQ_GET,  "/v1/events",              NULL,         VERB(EVENTS),  SHAPE_EVENTS, fill_events},
    {EVHTTP_REQ_GET,  "/v1/crashes",             NULL,         VERB(CRASHES), SHAPE_LIST,   NULL},
    {EVHTTP_REQ_GET,  "/v1/crashes/*",           NULL,         VERB(CRASHES), SHAPE_LIST,   fill_crash},
    {EVHTTP_REQ_GET,  "/metrics",                NULL,         VERB(METRICS), SHAPE_METRICS, fill_metrics},
    {EVHTTP_REQ_GET,  "/v1/trace",               NULL,         VERB(TRACE),   SHAPE_TRACE,  fill_trace},
    {EVHTTP_REQ_GET,  "/v1/audit",               NULL,         VERB(AUDIT),   SHAPE_LIST,   NULL},
    {EVHTTP_REQ_POST, "/v1/processes/*/restart", NULL,         VERB(RESTART), SHAPE_DONE,   fill_process},
    {EVHTTP_REQ_POST, "/v1/processes/*/revive",  NULL,         VERB(REVIVE),  SHAPE_DONE,   fill_process},
    {EVHTTP_REQ_POST, "/v1/processes/*/log-level", NULL,       VERB(LOG_LEVEL), SHAPE_DONE, fill_level},
    {EVHTTP_REQ_POST, "/v1/nics/*/link",         NULL,         VERB(LINK),    SHAPE_DONE,   fill_link},
    {EVHTTP_REQ_POST, "/v1/disks",               NULL,         VERB(DISK),    SHAPE_DONE,   fill_disk},
    {EVHTTP_REQ_POST, "/v1/vm/pause",            NULL,         VERB(PAUSE),   SHAPE_DONE,   fill_nothing},
    {EVHTTP_REQ_POST, "/v1/vm/resume",           NULL,         VERB(RESUME),  SHAPE_DONE,   fill_nothing},
    {EVHTTP_REQ_POST, "/v1/vm/gdb/*",            NULL,         VERB(GDB),     SHAPE_DONE,   NULL, http_debug_take},
    {EVHTTP_REQ_GET,  "/v1/vm/registers",        NULL,         VERB(REGISTERS), SHAPE_TEXT, NULL},
    {EVHTTP_REQ_GET,  "/v1/vm/dump",             NULL,         VERB(DUMP),    SHAPE_BYTES,  NULL},
    {EVHTTP_REQ_POST, "/v1/revocations",         NULL,         VERB(REVOCATIONS), SHAPE_DONE, NULL, revoked_take_posted},
    {EVHTTP_REQ_POST, "/v1/call",                NULL,         VERB(NONE),    SHAPE_FRAMES, fill_call},
    {.path = NULL},
};
/* clang-format on */

static bool matches(const char *pattern, const char *path, char part[256])
{
    const char *star = strchr(pattern, '*');
    size_t head, len;

    part[0] = '\0';
    if (star == NULL)
        return strcmp(pattern, path) == 0;
    head = (size_t)(star - pattern);
    if (strncmp(pattern, path, head) != 0)
        return false;
    len = strcspn(path + head, "/");
    if (len == 0 || len >= 256 || strcmp(path + head + len, star + 1) != 0)
        return false;
    memcpy(part, path + head, len);
    part[len] = '\0';
    return true;
}

int route_find(enum evhttp_cmd_type method, const char *path, const struct route **ret,
               char part[256])
{
    int status = HTTP_NOTFOUND;

    for (const struct route *r = routes; r->path != NULL; r++) {
        if (!matches(r->path, path, part))
            continue;
        *ret = r;
        if (r->method == method)
            return 0;
        status = HTTP_BADMETHOD;
    }
    return status;
}

const char *route_fill(const struct route *route, const char *part, const char *query,
                       struct evbuffer *body, struct routed *ret)
{
    struct evkeyvalq fields = {0};
    const char *wrong = NULL;

    bulkhead__admin_call__init(&ret->call);
    ret->unpacked = NULL;
    ret->call.verb = route->verb;
    ret->shape = route->shape;
    if (evhttp_parse_query_str(query == NULL ? "" : query, &fields) < 0)
        return "the query makes no sense";
    if (route->fill != NULL)
        wrong = route->fill(ret, part, &fields, body);
    evhttp_clear_headers(&fields);
    return wrong;
}
