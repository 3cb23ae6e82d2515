#include "tests/sim/net_flood.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

enum {
    VNET_BYTES = 12,
    FRAME_MAX = 1514,
};

static void *serve(void *self)
{
    static const uint8_t ethernet[] = {0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x99, 0x88, 0xb5};
    struct net_flood *f = self;
    uint8_t bytes[VNET_BYTES + FRAME_MAX] = {0};

    memcpy(bytes + VNET_BYTES, ethernet, sizeof(ethernet));
    if (recv(f->fd, (uint8_t[VNET_BYTES + FRAME_MAX]){0}, VNET_BYTES + FRAME_MAX, 0) <= 0)
        return NULL;
    while (send(f->fd, bytes, VNET_BYTES + f->bytes, MSG_NOSIGNAL) > 0)
        ;
    return NULL;
}

int net_flood_start(struct net_flood *f, int fd, uint32_t bytes)
{
    int flags = fcntl(fd, F_GETFL);
    int r;

    *f = (struct net_flood){.fd = fd, .bytes = bytes < FRAME_MAX ? bytes : FRAME_MAX};
    (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    r = pthread_create(&f->thread, NULL, serve, f);
    f->running = r == 0;
    return -r;
}

void net_flood_stop(struct net_flood *f)
{
    if (!f->running)
        return;
    (void)shutdown(f->fd, SHUT_RDWR); /* whoever waits in it comes back */
    (void)pthread_join(f->thread, NULL);
    f->running = false;
    fd_closep(&f->fd);
}
