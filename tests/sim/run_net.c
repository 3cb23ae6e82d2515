#include "tests/sim/run_net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "cli/net_tap.h"

/* Kinds with nothing to say besides. */
static const struct {
    const char *name;
    enum net_kind kind;
    bool has_peer;
    struct net_manner manner;
} kinds[] = {
    {"none",           NET_DATAGRAM, false, {0}                              },
    {"discard",        NET_DISCARD,  false, {0}                              },
    {"echo",           NET_DATAGRAM, true,  {0}                              },
    {"exact",          NET_DATAGRAM, true,  {.exact = true}                  },
    {"any",            NET_DATAGRAM, true,  {.tolerant = true}               },
    {"garbage",        NET_DATAGRAM, true,  {.garbage = true}                },
    {"deaf",           NET_DATAGRAM, true,  {.deaf = true}                   },
    {"stream",         NET_STREAM,   true,  {0}                              },
    {"stream-garbage", NET_STREAM,   true,  {.garbage = true}                },
    {"stream-deaf",    NET_STREAM,   true,  {.deaf = true}                   },
    {"stream-zero",    NET_STREAM,   true,  {.ends = true, .end = 0}         },
    {"stream-huge",    NET_STREAM,   true,  {.ends = true, .end = UINT32_MAX}},
    {"stream-torn",    NET_STREAM,   true,  {.ends = true, .tears = true}    },
};

int run_net_parse(struct run_net *n, const char *text)
{
    static const char tap[] = "tap=", flood[] = "flood=";

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(text, kinds[i].name) != 0)
            continue;
        n->kind = kinds[i].kind;
        n->has_peer = kinds[i].has_peer;
        n->peer.manner = kinds[i].manner;
        return 0;
    }
    if (strcmp(text, "mirror") == 0) {
        n->kind = NET_DATAGRAM;
        n->is_mirror = true;
    } else if (strncmp(text, flood, strlen(flood)) == 0) {
        n->kind = NET_DATAGRAM;
        n->flood_bytes = (uint32_t)strtoul(text + strlen(flood), NULL, 10);
    } else if (strncmp(text, tap, strlen(tap)) == 0) {
        n->kind = NET_TAP;
        n->tap = text + strlen(tap);
    }
    return n->kind == NET_NONE ? -EINVAL : 0;
}

static int open_tap(struct run_net *n)
{
    char why[256];
    int r = net_tap_open(n->tap, RUN_NET_MTU, &n->fd, why, sizeof(why));

    if (r < 0)
        fprintf(stderr, "run-sim: --net tap=%s: %s\n", n->tap, why);
    return r;
}

int run_net_open(struct run_net *n, int room)
{
    switch (n->kind) {
    case NET_TAP:
        return open_tap(n);
    case NET_DISCARD:
        n->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        return n->fd < 0 ? -errno : 0;
    case NET_DATAGRAM:
    case NET_STREAM:
        return net_peer_open(&n->peer, n->kind == NET_STREAM, room, &n->fd);
    case NET_NONE:
        break;
    }
    return 0;
}

int run_net_start(struct run_net *n, unsigned index, uint64_t rate)
{
    fd_closep(&n->fd); /* init has it */
    if (n->flood_bytes > 0)
        return net_flood_start(&n->flood, n->peer.fd, n->flood_bytes);
    if (n->is_mirror)
        return net_mirror_start(&n->mirror, n->peer.fd);
    return n->has_peer ? net_peer_start(&n->peer, index, rate) : 0;
}

bool run_net_stop(struct run_net *n)
{
    net_flood_stop(&n->flood);
    net_mirror_stop(&n->mirror);
    return net_peer_stop(&n->peer);
}
