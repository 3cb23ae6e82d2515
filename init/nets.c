#include "init/nets.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/shm.h"
#include "init/macvtap.h"

enum {
    MAC_BYTES = sizeof(((struct net_row *)0)->mac),
    MAC_MULTICAST = 1, /* of the first byte */
    CARD_WAIT_S = 5,   /* for a card of the VM to appear */
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

/* What it is to the worker: in a VM a stream's and a tap's frames come from a card. */
static enum net_kind kind_of(const Bulkhead__Net *net, bool nested)
{
    return nested && net->kind != NET_DISCARD ? NET_TAP : (enum net_kind)net->kind;
}

int nets_plug(const Bulkhead__VmConfig *config, bool nested, int *fds, struct why *why)
{
    for (size_t i = 0; i < config->n_nets; i++) {
        if (config->nets[i]->kind == NET_DISCARD)
            continue;
        if (nested)
            fds[i] = macvtap_open(config->nets[i]->mac.data, CARD_WAIT_S * NS_PER_S, why);
        else if (fds[i] < 0)
            return why_say(why, -ENOENT, "network card %zu: no descriptor was handed down", i);
        if (fds[i] < 0)
            return fds[i];
    }
    return 0;
}

int nets_open(const struct objects *objects, const Bulkhead__VmConfig *config, bool nested,
              struct why *why)
{
    struct nets_page *page;
    void *at;
    int r = shm_map(objects->fds[OBJECT_NETS][0], manifest_object_bytes(OBJECT_NETS, 0), true, &at);

    if (r < 0)
        return why_errno(why, r, "the page of network cards");
    page = at;
    for (size_t i = 0; i < config->n_nets; i++) {
        const Bulkhead__Net *net = config->nets[i];
        struct net_row *row = &page->rows[i];

        row->kind = kind_of(net, nested);
        row->mtu = net->mtu;
        row->channels = net->channels;
        memcpy(row->mac, net->mac.data, sizeof(row->mac));
        atomic_store(&row->link_up, !net->link_down);
    }
    (void)munmap(at, manifest_object_bytes(OBJECT_NETS, 0));
    return 0;
}

uint32_t nets_links_down(const struct objects *objects)
{
    size_t bytes = manifest_object_bytes(OBJECT_NETS, 0);
    const struct nets_page *page;
    uint32_t down = 0;
    void *at;

    if (shm_map(objects->fds[OBJECT_NETS][0], bytes, false, &at) < 0)
        return 0;
    page = at;
    for (unsigned i = 0; i < NETS_MAX; i++) {
        if (page->rows[i].kind != NET_NONE && atomic_load(&page->rows[i].link_up) == 0)
            down |= 1u << i;
    }
    (void)munmap(at, bytes);
    return down;
}
