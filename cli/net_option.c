#include "cli/net_option.h"

#include "cli/option_keys.h"

enum {
    MTU_DEFAULT = 1500,
};

/* clang-format off */
const struct option_row net_rows[NET_ROW_COUNT] = {
    {"user", 0, OPTION_FLAG, offsetof(struct net_option, user), NULL,
     "the host's network, by way of passt", 0, 0},
    {"tap", 0, OPTION_TEXT, offsetof(struct net_option, tap), "NAME",
     "a tap device of the host; made if there is none", 0, 0},
    {"peer", 0, OPTION_PATH, offsetof(struct net_option, peer), "PATH",
     "a cable to the VM that says the same", 0, 0},
    {"none", 0, OPTION_FLAG, offsetof(struct net_option, none), NULL,
     "nothing is plugged in", 0, 0},
    {"mac", 0, OPTION_TEXT, offsetof(struct net_option, mac), "XX:XX:XX:XX:XX:XX",
     "its address (default: follows from the VM's name)", 0, 0},
    {"mtu", 0, OPTION_NUMBER, offsetof(struct net_option, mtu), "N",
     "bytes of a packet (68 to 9000, default: 1500)", NET_MTU_MIN, NET_MTU_MAX},
    {"queues", 0, OPTION_NUMBER, offsetof(struct net_option, queues), "N",
     "at most so many channels (1 to 8, default: 8)", 1, VMBUS_SUBCHANNELS},
    {"forward", 0, OPTION_TEXTS, offsetof(struct net_option, forwards),
     "tcp|udp:[ADDRESS:]PORT:GUESTPORT",
     "of user: a port of the host leads to one of the guest (repeatable)", 0, 0, "forwards"},
    {"loopback", 0, OPTION_FLAG, offsetof(struct net_option, loopback), NULL,
     "of user: at its router's address the guest reaches what listens at the host's 127.0.0.1", 0, 0},
};
/* clang-format on */

struct net_option net_option_default(void)
{
    return (struct net_option){.mtu = MTU_DEFAULT, .queues = VMBUS_SUBCHANNELS};
}

int net_option_add(struct net_list *list, const struct net_option *net, char why[OPTION_WHY_BYTES])
{
    if (list->n == NETS_MAX)
        return option_wrong(why, "that is too many NICs, at most %d are possible", NETS_MAX);
    list->at[list->n++] = *net;
    return 0;
}

int net_option_parse(const char *text, struct net_list *list, struct pool *pool,
                     char why[OPTION_WHY_BYTES])
{
    static const struct option_keys keys = {net_rows, NET_ROW_COUNT, .bare = false};
    struct net_option net = net_option_default();
    int r = option_keys_parse(&keys, text, &net, pool, why);

    return r < 0 ? r : net_option_add(list, &net, why);
}
