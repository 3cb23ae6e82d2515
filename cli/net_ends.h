/*
 * cli/net_ends.h - what the NICs of a running VM are plugged into: a descriptor for each, and what keeps
 * it alive on our side.
 */
#pragma once

#include "base/macro.h"
#include "cli/net_peer.h"
#include "cli/nets.h"
#include "cli/passt.h"
#include "cli/restarts.h"

struct event;
struct event_base;

enum {
    NET_HEAD_BYTES = 64, /* of a frame, with its length: addresses, and what counts on in TCP */
};

/* Whether a program reads its stream: the same first bytes, look after look, are bytes that nobody reads. */
struct net_unread {
    uint8_t head[NET_HEAD_BYTES];
    ssize_t len;
    unsigned looks;
};

struct net_end {
    struct net_ends *all;
    const struct net_plan *plan;
    int fd;             /* the VM's, non-blocking: frames as its kind has them */
    int far;            /* NET_STREAM: the other end; passt has it too. -1: none */
    struct passt passt; /* NET_STREAM */
    struct restarts restarts;
    struct net_unread unread;
    struct net_peer peer; /* NET_DATAGRAM; its socket is fd */
    struct event *event;  /* while watched; NULL: not */
};

struct net_ends {
    struct net_end at[NETS_MAX];
    size_t n;
    const char *passt; /* the program */
    bool whole; /* the VM takes whole frames out of a stream, and leaves what is none there */
    struct event_base *base;
    /* Told of what happens while it is watched, one line each. */
    void (*log)(void *self, const char *line);
    void *self;
};

/*
 * Open them all, in the order of the plan, which is borrowed, as is passt, the program's path. 0, or the
 * exit status, and error holds one line. net_ends_done() in any case; ret must not move.
 */
int MUST_USE net_ends_open(const struct nets_plan *plan, const char *passt, bool whole,
                           struct net_ends *ret, char error[NETS_ERROR_BYTES]);

/* Look after them in this loop, until net_ends_unwatch(). 0 or -ENOMEM. */
int MUST_USE net_ends_watch(struct net_ends *e, struct event_base *base,
                            void (*log)(void *self, const char *line), void *self);
void net_ends_unwatch(struct net_ends *e);

/* End and close everything; nothing is left behind. Fine on a zeroed one. */
void net_ends_done(struct net_ends *e);
