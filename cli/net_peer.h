/*
 * cli/net_peer.h - a cable between two VMs of a machine: two datagram sockets, PATH.0 and PATH.1.
 *
 * Whoever comes takes the first that is free, and is connected to the other as soon as that is there, and
 * again when it was gone: net_peer_connect() is to be called now and then. Datagrams to nobody are lost,
 * as on a cable. What is at PATH is locked while it is used, and gone afterwards.
 */
#pragma once

#include <sys/un.h>

#include "base/macro.h"

struct net_peer {
    struct sockaddr_un here, there;
    int lock; /* -1: none */
    int fd;   /* the socket; -1: none */
};

/* 0 and *ret, for net_peer_done(); -EBUSY: both ends are taken; other negative errno. */
int MUST_USE net_peer_open(const char *path, struct net_peer *ret);

/* Connect to the other end, if it is there. */
void net_peer_connect(const struct net_peer *p);

/* Close and remove everything; fine without one. */
void net_peer_done(struct net_peer *p);
