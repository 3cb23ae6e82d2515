#include "init/macvtap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/card.h"

enum {
    MESSAGE_BYTES = 512,
    VNET_HEADER_BYTES = 12,
    /*
     * Of frames that wait for the worker. What the host side sends from a stream has no congestion control (passt:
     * the receiver's window alone, some 6 MiB for Linux' largest): what is lost here is sent all over again.
     */
    QUEUE_BYTES = 12 << 20,
    SENT_BYTES = 8 << 20, /* of the worker's frames on their way; what is more is lost */
};

/* --- the link over it --- */

struct message {
    struct nlmsghdr head;
    struct ifinfomsg info;
    uint8_t attributes[MESSAGE_BYTES];
};

static struct rtattr *put(struct message *m, unsigned short type, const void *bytes, size_t len)
{
    struct rtattr *a = (struct rtattr *)(void *)((uint8_t *)m + NLMSG_ALIGN(m->head.nlmsg_len));

    a->rta_type = type;
    a->rta_len = (unsigned short)RTA_LENGTH(len);
    if (len > 0)
        memcpy(RTA_DATA(a), bytes, len);
    m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + (uint32_t)RTA_ALIGN(a->rta_len);
    return a;
}

static void close_nest(const struct message *m, struct rtattr *nest)
{
    nest->rta_len = (unsigned short)((const uint8_t *)m + m->head.nlmsg_len - (uint8_t *)nest);
}

static void fill(struct message *m, const char *name, unsigned lower, uint32_t queue)
{
    static const char kind[] = "macvtap";
    const uint32_t mode = MACVLAN_MODE_PASSTHRU;
    struct rtattr *info, *data;

    m->head =
        (struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(sizeof(m->info)),
                          .nlmsg_type = RTM_NEWLINK,
                          .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL};
    m->info = (struct ifinfomsg){.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    (void)put(m, IFLA_IFNAME, name, strlen(name) + 1);
    (void)put(m, IFLA_LINK, &lower, sizeof(lower));
    (void)put(m, IFLA_TXQLEN, &queue, sizeof(queue));
    info = put(m, IFLA_LINKINFO, NULL, 0);
    (void)put(m, IFLA_INFO_KIND, kind, sizeof(kind));
    data = put(m, IFLA_INFO_DATA, NULL, 0);
    (void)put(m, IFLA_MACVLAN_MODE, &mode, sizeof(mode));
    close_nest(m, data);
    close_nest(m, info);
}

static int ask(int fd, const struct message *m)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        uint8_t more[MESSAGE_BYTES];
    } answer;
    ssize_t n;

    if (send(fd, m, m->head.nlmsg_len, 0) < 0)
        return -errno;
    n = recv(fd, &answer, sizeof(answer), 0);
    if (n < (ssize_t)NLMSG_LENGTH(sizeof(answer.error)) || answer.head.nlmsg_type != NLMSG_ERROR)
        return n < 0 ? -errno : -EBADMSG;
    return answer.error.error;
}

static int make_link(const char *name, unsigned lower, uint32_t queue)
{
    AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct message m = {0};

    if (fd < 0)
        return -errno;
    fill(&m, name, lower, queue);
    return ask(fd, &m);
}

/* How many frames its queue, and that of the link over it, hold: as many bytes, whatever its MTU is. */
static int bring_up(const char *name, uint32_t *ret_queue)
{
    AUTO_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq rq = {0};

    (void)snprintf(rq.ifr_name, sizeof(rq.ifr_name), "%.15s", name);
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &rq) < 0)
        return -errno;
    rq.ifr_flags = (short)(rq.ifr_flags | IFF_UP | IFF_PROMISC);
    if (ioctl(fd, SIOCSIFFLAGS, &rq) < 0)
        return -errno;
    if (ioctl(fd, SIOCGIFMTU, &rq) < 0 || rq.ifr_mtu <= 0)
        return -EIO;
    *ret_queue = QUEUE_BYTES / (uint32_t)rq.ifr_mtu;
    rq.ifr_qlen = (int)*ret_queue;
    return ioctl(fd, SIOCSIFTXQLEN, &rq) < 0 ? -errno : 0;
}

/*
 * Checksums are left to us both ways. Segments are cut by the kernel: the queue is counted in frames, and one of many
 * segments would make QUEUE_BYTES half a gigabyte.
 */
static int open_link(const char *name)
{
    struct ifreq rq = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int header = VNET_HEADER_BYTES, sent = SENT_BYTES;
    char path[32];
    AUTO_FD fd = -1;

    (void)snprintf(path, sizeof(path), "/dev/tap%u", if_nametoindex(name));
    fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &rq) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 ||
        ioctl(fd, TUNSETSNDBUF, &sent) < 0 || ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM) < 0)
        return -errno;
    return fd_steal(&fd);
}

int macvtap_open(const uint8_t mac[6], uint64_t wait_ns, struct why *why)
{
    char card[IF_NAMESIZE], name[IF_NAMESIZE];
    uint32_t queue = 0;
    unsigned lower = card_wait(mac, wait_ns, card);
    int r;

    if (lower == 0)
        return why_say(why, -ENODEV,
                       "no network card with the address %02x:%02x:%02x:%02x:%02x:%02x", mac[0],
                       mac[1], mac[2], mac[3], mac[4], mac[5]);
    (void)snprintf(name, sizeof(name), "guest%u", lower);
    r = bring_up(card, &queue);
    if (r == 0)
        r = make_link(name, lower, queue);
    if (r == 0)
        r = open_link(name);
    return r < 0 ? why_errno(why, r, "network card %s", card) : r;
}
