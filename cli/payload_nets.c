#include "cli/payload_nets.h"

#include <errno.h>

static void fill(const struct net_plan *p, Bulkhead__Net *net)
{
    bulkhead__net__init(net);
    net->kind = p->kind;
    /* Bytes of protobuf-c messages are not const; packing does not change them. */
    net->mac = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)p->mac, .len = NET_MAC_BYTES};
    net->mtu = p->mtu;
    net->channels = p->channels;
    net->link_down = p->link_down;
}

int payload_nets(const struct nets_plan *plan, struct pool *pool, Bulkhead__VmConfig *config)
{
    Bulkhead__Net *nets = pool_alloc(pool, plan->n * sizeof(*nets));
    Bulkhead__Net **list = pool_alloc(pool, plan->n * sizeof(*list));

    if (nets == NULL || list == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < plan->n; i++) {
        fill(&plan->at[i], &nets[i]);
        list[i] = &nets[i];
    }
    config->nets = list;
    config->n_nets = plan->n;
    return 0;
}
