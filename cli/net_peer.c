#include "cli/net_peer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "cli/lock.h"

enum {
    ENDS = 2,
    SOCKET_MODE = 0600,
};

static int address_of(const char *path, int end, struct sockaddr_un *ret)
{
    int len;

    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    len = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s.%d", path, end);
    return len < 0 || (size_t)len >= sizeof(ret->sun_path) ? -ENAMETOOLONG : 0;
}

/* The mode of a socket before it is bound is that of its file. */
static int bind_here(struct net_peer *p)
{
    p->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0 || fchmod(p->fd, SOCKET_MODE) < 0 ||
        bind(p->fd, (const struct sockaddr *)&p->here, sizeof(p->here)) < 0)
        return -errno;
    return 0;
}

static int take_end(const char *path, struct net_peer *p)
{
    int r = -EBUSY;

    for (int end = 0; r == -EBUSY && end < ENDS; end++) {
        r = address_of(path, end, &p->here);
        if (r == 0)
            r = address_of(path, ENDS - 1 - end, &p->there);
        if (r == 0)
            r = lock_take(p->here.sun_path, &p->lock);
    }
    return r;
}

int net_peer_open(const char *path, struct net_peer *ret)
{
    struct net_peer p = {.lock = -1, .fd = -1};
    int r = take_end(path, &p);

    if (r == 0)
        r = bind_here(&p);
    if (r < 0) {
        net_peer_done(&p);
        return r;
    }
    net_peer_connect(&p);
    *ret = p;
    return 0;
}

/* To the same end again it changes nothing; to nobody it fails, and that is as well. */
void net_peer_connect(const struct net_peer *p)
{
    (void)connect(p->fd, (const struct sockaddr *)&p->there, sizeof(p->there));
}

void net_peer_done(struct net_peer *p)
{
    fd_closep(&p->fd);
    lock_drop(p->here.sun_path, &p->lock);
}
