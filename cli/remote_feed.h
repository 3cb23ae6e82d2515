/*
 * cli/remote_feed.h - what GDB says to a VM elsewhere, while what the VM says comes over a connection of its own.
 *
 * A connection of ours is kept alive for it. What did not get through is sent again: the VM counts the bytes.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"

struct event_base;
struct feed;
struct remote_peer;

/*
 * Take AdminCalls with data from fd, one at a time, on to session. failed is called at most once, with one line. peer and
 * base outlive it. NULL: no memory. feed_free() frees.
 */
struct feed *feed_new(const struct remote_peer *peer, struct event_base *base, int fd,
                      uint32_t session, void (*failed)(void *self, const char *text), void *self);

void feed_free(struct feed *f);
