#include "init/nets.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum {
    MAC_BYTES = sizeof(((struct net_row *)0)->mac),
    MAC_MULTICAST = 1, /* of the first byte */
};

static int check_mac(const Bulkhead__Net *net, size_t i, struct why *why)
{
    static const uint8_t zero[MAC_BYTES];

    if (net->mac.len != MAC_BYTES)
        return why_say(why, -EINVAL, "net %zu: an address of %zu bytes", i, net->mac.len);
    if ((net->mac.data[0] & MAC_MULTICAST) != 0 || memcmp(net->mac.data, zero, MAC_BYTES) == 0)
        return why_say(why, -EINVAL, "net %zu: its address is not one of its own", i);
    return 0;
}

static int check(const Bulkhead__Net *net, size_t i, struct why *why)
{
    if (net->kind < NET_DISCARD || net->kind > NET_DATAGRAM)
        return why_say(why, -EINVAL, "net %zu: kind %" PRIu32 " is not one", i, net->kind);
    if (net->mtu < NET_MTU_MIN || net->mtu > NET_MTU_MAX)
        return why_say(why, -EINVAL, "net %zu: mtu %" PRIu32 ", %d to %d are possible", i, net->mtu,
                       NET_MTU_MIN, NET_MTU_MAX);
    if (net->channels < 1 || net->channels > VMBUS_SUBCHANNELS)
        return why_say(why, -EINVAL, "net %zu: %" PRIu32 " channels, 1 to %d are possible", i,
                       net->channels, VMBUS_SUBCHANNELS);
    return check_mac(net, i, why);
}

int nets_check(Bulkhead__Net *const *nets, size_t n, struct why *why)
{
    int r = 0;

    if (n > NETS_MAX)
        return why_say(why, -EINVAL, "nets: %zu, at most %d are possible", n, NETS_MAX);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = check(nets[i], i, why);
    return r;
}
