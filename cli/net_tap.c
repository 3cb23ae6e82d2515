#include "cli/net_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"

static const struct {
    int err;
    const char *text;
} reasons[] = {
    {ENOENT, "/dev/net/tun is missing: load the kernel's module (modprobe tun)"                    },
    {ENODEV, "/dev/net/tun is missing: load the kernel's module (modprobe tun)"                    },
    {EPERM,  "not permitted: make the device before (ip tuntap add mode tap user NAME), or be root"},
    {EACCES, "not permitted: /dev/net/tun is not for this user"                                    },
    {EBUSY,  "another program uses it: name another device"                                        },
    {EINVAL, "it is no tap device, or one with several queues: name another, or ip tuntap add it"  },
};

static const char *reason_of(int err)
{
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].err == err)
            return reasons[i].text;
    }
    return strerror(err);
}

static struct ifreq request_of(const char *name)
{
    struct ifreq request = {0};

    (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    return request;
}

static int attach(int fd, const char *name)
{
    struct ifreq request = request_of(name);
    int header_bytes = sizeof(struct virtio_net_hdr_mrg_rxbuf);

    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) < 0 ||
        ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0)
        return -errno;
    return 0;
}

static int bring_up(const char *name, uint32_t mtu)
{
    AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = request_of(name);

    if (fd < 0)
        return -errno;
    request.ifr_mtu = (int)mtu;
    if (ioctl(fd, SIOCSIFMTU, &request) < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        return -errno;
    request.ifr_flags |= IFF_UP;
    return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

int net_tap_open(const char *name, uint32_t mtu, int *ret_fd, char *why, size_t why_len)
{
    bool made = if_nametoindex(name) == 0;
    AUTO_FD fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    int r = fd < 0 ? -errno : attach(fd, name);

    if (r == 0 && made)
        r = bring_up(name, mtu);
    if (r < 0) {
        (void)snprintf(why, why_len, "%s", reason_of(-r));
        return r;
    }
    *ret_fd = fd_steal(&fd);
    return 0;
}
