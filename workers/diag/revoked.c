#include "workers/diag/revoked.h"

#include <event2/buffer.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workers/diag/audit.h"
#include "workers/diag/diag.h"
#include "workers/diag/http_call.h"
#include "workers/diag/tls_revoked.h"

static const Bulkhead__AdminCall__Verb verb = BULKHEAD__ADMIN_CALL__VERB__REVOCATIONS;

/* What was there before stays whole until this one is. */
static void keep(struct https *h, const void *text, size_t len)
{
    struct revoked_page *page = h->diag->revoked;
    const uint64_t seq = atomic_load_explicit(&page->seq, memory_order_relaxed) + 1;

    memcpy(page->text[seq % 2], text, len);
    page->len[seq % 2] = (uint32_t)len;
    atomic_store_explicit(&page->seq, seq, memory_order_release);
    h->revoked_seq = seq;
}

const char *revoked_take(struct https *h, const void *text, size_t len, bool *ret_new)
{
    const char *why;

    *ret_new = false;
    why = tls_revoke(h->tls, text, len, ret_new);
    if (why != NULL || !*ret_new)
        return why;
    keep(h, text, len);
    board_log(h->diag->board, LOG_LEVEL_INFO, "another list of revoked certificates counts");
    https_judge_peers(h);
    return NULL;
}

/* Another generation may have left any bytes there, or still be writing: a copy of them is looked at. */
void revoked_restore(struct https *h)
{
    const struct revoked_page *page = h->diag->revoked;
    const uint64_t seq = atomic_load_explicit(&page->seq, memory_order_acquire);
    const uint32_t len = page->len[seq % 2];
    AUTO_FREE uint8_t *text = NULL;
    const char *why = "it is too long, or there is no memory";
    bool is_new = false;

    if (seq == h->revoked_seq)
        return;
    h->revoked_seq = seq;
    text = len > TLS_PART_BYTES ? NULL : malloc(len + 1);
    if (text != NULL) {
        memcpy(text, page->text[seq % 2], len);
        why = tls_revoke(h->tls, text, len, &is_new);
    }
    if (why != NULL)
        board_log(h->diag->board, LOG_LEVEL_WARN,
                  "the list of revoked certificates that was kept: %s", why);
    if (is_new)
        https_judge_peers(h);
}

void revoked_take_posted(struct https *h, struct evhttp_request *request,
                         const struct caller *caller, const char *part)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    const size_t len = evbuffer_get_length(body);
    const uint8_t *text = evbuffer_pullup(body, -1);
    const char *why;
    bool is_new;

    (void)part;
    if (!http_may(h, request, caller, verb))
        return;
    why = revoked_take(h, text, text == NULL ? 0 : len, &is_new);
    audit_note(&h->diag->audit, caller, verb,
               is_new        ? "a newer list"
               : why == NULL ? "the list that counts"
                             : why,
               is_new ? AUDIT_ALLOWED : AUDIT_NOTHING);
    if (why == NULL)
        http_tell(request, HTTP_OK, json_object());
    else
        http_refuse(request, HTTP_CONFLICT, why);
}
