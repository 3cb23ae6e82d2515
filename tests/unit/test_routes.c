#include <check.h>
#include <event2/buffer.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/board.h"
#include "base/macro.h"
#include "ipc/admin_json.h"
#include "workers/diag/caller.h"
#include "workers/diag/diag.h"
#include "workers/diag/http_debug.h"
#include "workers/diag/routes.h"
#include "workers/diag/tell.h"

/* "/v1/nics/{nic}/link" as the table has it. */
static void pattern_of(const char *path, char *ret, size_t size)
{
    size_t n = 0;

    for (; *path != '\0' && n + 1 < size; path++) {
        ret[n++] = *path == '{' ? '*' : *path;
        if (*path == '{')
            path = strchr(path, '}');
    }
    ret[n] = '\0';
}

static enum evhttp_cmd_type method_of(const char *name)
{
    return strcmp(name, "get") == 0 ? EVHTTP_REQ_GET : EVHTTP_REQ_POST;
}

static const struct route *find_row(const char *pattern, enum evhttp_cmd_type method)
{
    for (const struct route *r = routes; r->path != NULL; r++) {
        if (strcmp(r->path, pattern) == 0 && r->method == method)
            return r;
    }
    return NULL;
}

static enum role least_role(const struct route *r)
{
    const struct rule *rule = rule_of(r->verb);

    ck_assert(rule != NULL || r->verb == BULKHEAD__ADMIN_CALL__VERB__NONE);
    return rule == NULL ? ROLE_VIEWER : rule->role;
}

static bool is_closed(const struct route *r)
{
    const struct rule *rule = rule_of(r->verb);

    return rule != NULL && !rule->confidential;
}

/* Whoever reads the document knows what there is, and who may. */
START_TEST(the_document_says_what_the_table_says)
{
    json_t *doc = json_load_file(getenv("OPENAPI"), 0, NULL);
    size_t documented = 0, rows = 0;
    json_t *methods, *about;
    const char *path, *method;

    json_object_foreach(json_object_get(doc, "paths"), path, methods)
    {
        char pattern[128];

        pattern_of(path, pattern, sizeof(pattern));
        json_object_foreach(methods, method, about)
        {
            const struct route *r = find_row(pattern, method_of(method));

            ck_assert_msg(r != NULL, "%s %s is not in the table", method, path);
            ck_assert_str_eq(json_string_value(json_object_get(about, "x-role")),
                             audit_role_name(least_role(r)));
            ck_assert_msg(json_is_false(json_object_get(about, "x-confidential")) == is_closed(r),
                          "%s", path);
            documented++;
        }
    }
    for (const struct route *r = routes; r->path != NULL; r++)
        rows++;
    ck_assert_uint_eq(documented, rows);
    json_decref(doc);
}
END_TEST

/* What was asked for can be read in the record. */
START_TEST(every_call_has_a_name)
{
    unsigned n = 0;

    for (unsigned verb = 0; verb < 64; verb++) {
        if (rule_of((Bulkhead__AdminCall__Verb)verb) == NULL)
            continue;
        ck_assert_msg(strcmp(admin_verb_name(verb), "?") != 0, "%u", verb);
        n++;
    }
    ck_assert_uint_gt(n, 15);
}
END_TEST

START_TEST(paths_are_found)
{
    const struct route *r;
    char part[256], longest[300];

    ck_assert_int_eq(route_find(EVHTTP_REQ_GET, "/v1/ps", &r, part), 0);
    ck_assert_int_eq(r->verb, BULKHEAD__ADMIN_CALL__VERB__PS);
    ck_assert_int_eq(route_find(EVHTTP_REQ_POST, "/v1/processes/vtpm/restart", &r, part), 0);
    ck_assert_int_eq(r->verb, BULKHEAD__ADMIN_CALL__VERB__RESTART);
    ck_assert_str_eq(part, "vtpm");
    ck_assert_int_eq(route_find(EVHTTP_REQ_POST, "/v1/ps", &r, part), HTTP_BADMETHOD);
    ck_assert_int_eq(route_find(EVHTTP_REQ_GET, "/v1/psx", &r, part), HTTP_NOTFOUND);
    ck_assert_int_eq(route_find(EVHTTP_REQ_GET, "/v1/ps/", &r, part), HTTP_NOTFOUND);
    ck_assert_int_eq(route_find(EVHTTP_REQ_GET, "", &r, part), HTTP_NOTFOUND);
    ck_assert_int_eq(route_find(EVHTTP_REQ_POST, "/v1/processes//restart", &r, part),
                     HTTP_NOTFOUND);
    ck_assert_int_eq(route_find(EVHTTP_REQ_POST, "/v1/processes/a/b/restart", &r, part),
                     HTTP_NOTFOUND);
    (void)snprintf(longest, sizeof(longest), "/v1/processes/%0256d/restart", 0);
    ck_assert_int_eq(route_find(EVHTTP_REQ_POST, longest, &r, part), HTTP_NOTFOUND);
}
END_TEST

static const char *fill(enum evhttp_cmd_type method, const char *path, const char *query,
                        const char *body, struct routed *ret)
{
    struct evbuffer *b = evbuffer_new();
    const struct route *r;
    char part[256];
    const char *wrong;

    (void)evbuffer_add(b, body, strlen(body));
    ck_assert_int_eq(route_find(method, path, &r, part), 0);
    wrong = route_fill(r, part, query, b, ret);
    evbuffer_free(b);
    return wrong;
}

START_TEST(bytes_for_a_debugger_have_a_number)
{
    static const char *const wrong[] = {
        "",      "at=",     "at",    "at=-1", "at=0x1",
        "at=1x", "at=%201", "at=+1", "x=1",   "at=10000000000000000000",
        "&&",    "at=%"};
    uint64_t n = 0;

    ck_assert(http_debug_at("at=0", &n) && n == 0);
    ck_assert(http_debug_at("x=1&at=9999999999999999999", &n));
    ck_assert_uint_eq(n, UINT64_C(9999999999999999999));
    ck_assert(!http_debug_at(NULL, &n));
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        ck_assert_msg(!http_debug_at(wrong[i], &n), "%s", wrong[i]);
}
END_TEST

START_TEST(what_comes_along_is_taken)
{
    struct routed r;

    ck_assert_ptr_null(fill(EVHTTP_REQ_GET, "/v1/inspect", "path=net%2F*&x=1", "", &r));
    ck_assert_str_eq(r.call.target, "net/*");
    ck_assert_uint_eq(r.call.number, 0);
    ck_assert_ptr_null(fill(EVHTTP_REQ_GET, "/v1/inspect", "depth=16&path=net", "", &r));
    ck_assert_uint_eq(r.call.number, 16);
    ck_assert_ptr_null(fill(EVHTTP_REQ_GET, "/v1/logs", NULL, "", &r));
    ck_assert(!r.call.follow && r.shape == SHAPE_LINES);
    ck_assert_ptr_null(fill(EVHTTP_REQ_GET, "/v1/logs", "follow=1&worker=vtpm", "", &r));
    ck_assert(r.call.follow && r.shape == SHAPE_EVENTS);
    ck_assert_ptr_null(fill(EVHTTP_REQ_POST, "/v1/nics/2/link", NULL, "{\"up\":false}", &r));
    ck_assert_uint_eq(r.call.link->nic, 2);
    ck_assert(!r.call.link->up);
    ck_assert_ptr_null(fill(EVHTTP_REQ_POST, "/v1/disks", NULL,
                            "{\"action\":\"eject\",\"controller\":1,\"lun\":3}", &r));
    ck_assert_int_eq(r.call.disk->action, BULKHEAD__DISK_CHANGE__ACTION__EJECT);
    ck_assert_uint_eq(r.call.disk->disk->controller, 1);
    ck_assert_uint_eq(r.call.disk->disk->lun, 3);
    ck_assert_ptr_null(
        fill(EVHTTP_REQ_POST, "/v1/processes/vtpm/log-level", NULL, "{\"level\":\"debug\"}", &r));
    ck_assert_uint_eq(r.call.number, LOG_LEVEL_DEBUG);
    ck_assert_str_eq(r.call.target, "vtpm");
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
    static const struct {
        enum evhttp_cmd_type method;
        const char *path, *query, *body;
    } wrong[] = {
        {EVHTTP_REQ_POST, "/v1/processes/vtpm/restart",   NULL,               "x"                                                 },
        {EVHTTP_REQ_POST, "/v1/nics/0/link",              NULL,               ""                                                  },
        {EVHTTP_REQ_POST, "/v1/nics/0/link",              NULL,               "{\"up\":1}"                                        },
        {EVHTTP_REQ_POST, "/v1/nics/0/link",              NULL,               "{\"up\":true,\"down\":true}"                       },
        {EVHTTP_REQ_POST, "/v1/nics/0/link",              NULL,               "{\"up\":true,\"up\":false}"                        },
        {EVHTTP_REQ_POST, "/v1/nics/0/link",              NULL,               "[true]"                                            },
        {EVHTTP_REQ_POST, "/v1/nics/-1/link",             NULL,               "{\"up\":true}"                                     },
        {EVHTTP_REQ_POST, "/v1/nics/4294967296/link",     NULL,               "{\"up\":true}"                                     },
        {EVHTTP_REQ_POST, "/v1/nics/one/link",            NULL,               "{\"up\":true}"                                     },
        {EVHTTP_REQ_POST, "/v1/disks",                    NULL,               "{\"action\":\"add\",\"controller\":0,\"lun\":0}"   },
        {EVHTTP_REQ_POST, "/v1/disks",                    NULL,               "{\"action\":\"eject\",\"controller\":-1,\"lun\":0}"},
        {EVHTTP_REQ_POST, "/v1/disks",                    NULL,
         "{\"action\":\"eject\",\"controller\":0,\"lun\":70000}"                                                                  },
        {EVHTTP_REQ_POST, "/v1/processes/vtpm/log-level", NULL,               "{\"level\":4}"                                     },
        {EVHTTP_REQ_POST, "/v1/processes/vtpm/log-level", NULL,               "{\"level\":\"Debug\"}"                             },
        {EVHTTP_REQ_POST, "/v1/processes/vtpm/log-level", NULL,               "{\"level\":\"debug\",\"more\":1}"                  },
        {EVHTTP_REQ_POST, "/v1/processes/vtpm/log-level", NULL,               ""                                                  },
        {EVHTTP_REQ_GET,  "/v1/inspect",                  "depth=0",          ""                                                  },
        {EVHTTP_REQ_GET,  "/v1/inspect",                  "depth=17",         ""                                                  },
        {EVHTTP_REQ_GET,  "/v1/inspect",                  "depth=",           ""                                                  },
        {EVHTTP_REQ_GET,  "/v1/inspect",                  "depth=-1",         ""                                                  },
        {EVHTTP_REQ_GET,  "/v1/inspect",                  "depth=4294967297", ""                                                  },
        {EVHTTP_REQ_POST, "/v1/call",                     NULL,               ""                                                  },
        {EVHTTP_REQ_POST, "/v1/call",                     NULL,               "nonsense"                                          },
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct routed r;

        ck_assert_msg(fill(wrong[i].method, wrong[i].path, wrong[i].query, wrong[i].body, &r) !=
                          NULL,
                      "%s %s was taken", wrong[i].path, wrong[i].body);
        routed_done(&r);
    }
}
END_TEST

START_TEST(roots_words_are_taken_as_they_are)
{
    struct evbuffer *b = evbuffer_new();
    Bulkhead__AdminCall call;
    uint8_t bytes[64];
    const struct route *row;
    struct routed r;
    char part[256], target[] = "vtpm";

    bulkhead__admin_call__init(&call);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__REVIVE;
    call.target = target;
    (void)evbuffer_add(b, bytes, bulkhead__admin_call__pack(&call, bytes));
    ck_assert_int_eq(route_find(EVHTTP_REQ_POST, "/v1/call", &row, part), 0);
    ck_assert_ptr_null(route_fill(row, part, NULL, b, &r));
    ck_assert_int_eq(r.call.verb, BULKHEAD__ADMIN_CALL__VERB__REVIVE);
    ck_assert_str_eq(r.call.target, "vtpm");
    ck_assert_int_eq(r.shape, SHAPE_FRAMES);
    routed_done(&r);
    evbuffer_free(b);
}
END_TEST

START_TEST(each_role_may_what_the_ones_below_may)
{
    for (unsigned verb = 0; verb < 64; verb++) {
        const struct rule *rule = rule_of((Bulkhead__AdminCall__Verb)verb);

        if (rule == NULL)
            continue;
        ck_assert_int_ge(rule->role, ROLE_VIEWER); /* nothing is for strangers */
        for (unsigned role = ROLE_NONE; role < ROLES; role++)
            ck_assert_int_eq(rule_judge(rule, (enum role)role, false),
                             role >= rule->role ? AUDIT_ALLOWED : AUDIT_ROLE);
        ck_assert_int_eq(rule_judge(rule, ROLE_DEBUGGER, true),
                         rule->confidential ? AUDIT_ALLOWED : AUDIT_CONFIDENTIAL);
    }
    ck_assert_ptr_null(rule_of(BULKHEAD__ADMIN_CALL__VERB__NONE));
}
END_TEST

/* Whatever a process is given, operators see. */
START_TEST(each_process_says_all_that_it_may_touch)
{
    struct diag *d = calloc(1, sizeof(*d));
    struct board_page *pages = calloc(2, sizeof(*pages));
    struct board b;
    json_t *list;

    board_attach(&b, &pages[0], 1);
    board_take_rows(&b);
    for (unsigned i = 0; i < PROCESS_COUNT; i++)
        board_text(board_addf(&b, BOARD_TEXT, "%s/state", manifest[i].name), "running");
    d->boards[PROCESS_SUPERVISOR] = &pages[0];
    d->boards[PROCESS_INIT] = &pages[1];
    list = tell_processes(d, NULL);
    ck_assert_uint_eq(json_array_size(list), PROCESS_COUNT);
    for (unsigned i = 0; i < PROCESS_COUNT; i++)
        ck_assert_msg(json_array_size(json_object_get(json_array_get(list, i), "may")) ==
                          manifest[i].n_grants,
                      "%s", manifest[i].name);
    json_decref(list);
    free(pages);
    free(d);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("routes");
    TCase *c = tcase_create("routes");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_test(c, the_document_says_what_the_table_says);
    tcase_add_test(c, every_call_has_a_name);
    tcase_add_test(c, paths_are_found);
    tcase_add_test(c, bytes_for_a_debugger_have_a_number);
    tcase_add_test(c, what_comes_along_is_taken);
    tcase_add_test(c, what_makes_no_sense_is_refused);
    tcase_add_test(c, roots_words_are_taken_as_they_are);
    tcase_add_test(c, each_role_may_what_the_ones_below_may);
    tcase_add_test(c, each_process_says_all_that_it_may_touch);
    suite_add_tcase(s, c);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
