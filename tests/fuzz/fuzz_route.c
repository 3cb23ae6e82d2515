/*
 * tests/fuzz/fuzz_route.c - a request of an operator: its path, query and body.
 *
 * The input: u8 1 for POST, then the path, the query and the body, each but the last ended by a line feed. Promises checked:
 * what is found is in the table and of that method; what is taken has a verb with a rule, or none; the number of a
 * debugger's bytes fits; nothing is leaked.
 */
#include <event2/buffer.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "workers/diag/caller.h"
#include "workers/diag/http_debug.h"
#include "workers/diag/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes before the next line feed, or all there is. */
static char *take_line(const uint8_t **data, size_t *size)
{
    const uint8_t *end = *size == 0 ? NULL : memchr(*data, '\n', *size);
    size_t len = end == NULL ? *size : (size_t)(end - *data);
    char *text = malloc(len + 1);

    if (text == NULL)
        abort();
    if (len > 0)
        memcpy(text, *data, len);
    text[len] = '\0';
    *data += end == NULL ? len : len + 1;
    *size -= end == NULL ? len : len + 1;
    return text;
}

static void fill(const struct route *row, const char *part, const char *query, const uint8_t *body,
                 size_t len)
{
    struct evbuffer *b = evbuffer_new();
    struct routed *r = malloc(sizeof(*r));

    if (b == NULL || r == NULL || evbuffer_add(b, body, len) < 0)
        abort();
    if (route_fill(row, part, query, b, r) == NULL) {
        if (row->verb != BULKHEAD__ADMIN_CALL__VERB__NONE && rule_of(r->call.verb) == NULL)
            abort();
        if (r->call.target != NULL && strlen(r->call.target) > len + strlen(query) + strlen(part))
            abort();
    }
    routed_done(r);
    free(r);
    evbuffer_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct route *row = NULL;
    enum evhttp_cmd_type method;
    char part[256];
    char *path, *query;
    uint64_t number;

    if (size == 0)
        return 0;
    method = data[0] == 1 ? EVHTTP_REQ_POST : EVHTTP_REQ_GET;
    data++;
    size--;
    path = take_line(&data, &size);
    query = take_line(&data, &size);
    if (route_find(method, path, &row, part) == 0) {
        if (row->method != method || row->path == NULL)
            abort();
        fill(row, part, query, data, size);
    }
    if (http_debug_at(query, &number) && number > UINT64_C(9999999999999999999))
        abort();
    free(path);
    free(query);
    return 0;
}
