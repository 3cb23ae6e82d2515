/*
 * workers/diag/http_limit.h - whoever asks more than it may is told so, and told late: else to be told so would be the flood.
 */
#pragma once

#include "workers/diag/https.h"

/* May one more be asked for now? caller: NULL, nobody with a role. If not, it is on record, and will be told. */
bool http_may_ask(struct https *h, struct evhttp_request *request, const struct caller *caller,
                  unsigned verb);

/* Put it on record, and tell it later: 429. text is constant. */
void http_too_many(struct https *h, struct evhttp_request *request, const struct caller *caller,
                   unsigned verb, const char *text);

/* Tell those whose time has come. */
void http_limit_tick(struct https *h, uint64_t now_ns);
