#include "tests/sim/net_mirror.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

enum {
    VNET_BYTES = 12,
    MAC_BYTES = 6,
    FRAME_MAX = 1514,
};

static void turn_round(uint8_t *frame)
{
    uint8_t to[MAC_BYTES];

    memcpy(to, frame, MAC_BYTES);
    memcpy(frame, frame + MAC_BYTES, MAC_BYTES);
    memcpy(frame + MAC_BYTES, to, MAC_BYTES);
}

static void *serve(void *self)
{
    const struct net_mirror *m = self;
    uint8_t bytes[VNET_BYTES + FRAME_MAX];
    ssize_t n;

    while ((n = recv(m->fd, bytes, sizeof(bytes), 0)) > VNET_BYTES + 2 * MAC_BYTES) {
        turn_round(bytes + VNET_BYTES);
        if (send(m->fd, bytes, (size_t)n, MSG_NOSIGNAL) < 0)
            break;
    }
    return NULL;
}

int net_mirror_start(struct net_mirror *m, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int r;

    *m = (struct net_mirror){.fd = fd};
    (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    r = pthread_create(&m->thread, NULL, serve, m);
    m->running = r == 0;
    return -r;
}

void net_mirror_stop(struct net_mirror *m)
{
    if (!m->running)
        return;
    (void)shutdown(m->fd, SHUT_RDWR); /* whoever waits in it comes back */
    (void)pthread_join(m->thread, NULL);
    m->running = false;
    fd_closep(&m->fd);
}
