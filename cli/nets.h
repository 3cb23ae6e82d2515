/*
 * cli/nets.h - the NICs of a run: everything about them checked, and settled.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "cli/net_option.h"
#include "cli/pool.h"
#include "ipc/nets.h"

enum {
    NETS_ERROR_BYTES = 1024,
    NET_MAC_BYTES = 6,
    NET_TAP_NAME_BYTES = 16, /* as the kernel has it, with its end */
    NET_PEER_PATH_MAX = 105, /* what fits in a sockaddr_un, less ".0" */
};

struct net_forward {
    bool udp;
    const char *spec; /* as passt wants it: "127.0.0.1/8022:22" */
};

struct net_plan {
    const struct net_option *option;
    enum net_kind kind;
    uint8_t mac[NET_MAC_BYTES];
    uint32_t mtu;
    uint32_t channels;
    struct net_forward forwards[OPTION_TEXTS_MAX];
    size_t n_forwards;
    bool link_down; /* as operators left it when the guest reset itself */
};

struct nets_plan {
    struct net_plan at[NETS_MAX];
    size_t n;
    struct pool pool;
};

/*
 * Check all and settle them; list is borrowed. 0, or the exit status, and error holds one line.
 * nets_done() in any case.
 */
int MUST_USE nets_check(const char *vm_name, const struct net_list *list, struct nets_plan *ret,
                        char error[NETS_ERROR_BYTES]);

void nets_done(struct nets_plan *plan);

/* At the next start the link of NIC i is down if bit i is set. */
void nets_set_links_down(struct nets_plan *plan, uint32_t links_down);

/* Is one of them plugged into the host's network by passt? */
bool nets_need_passt(const struct nets_plan *plan);

/* `return nets_wrong(line, EXIT_FAILED, net, "...")`: a line that begins with the NIC's name. */
int nets_wrong(char line[NETS_ERROR_BYTES], int status, const struct net_option *net,
               const char *fmt, ...) PRINTF_LIKE(4, 5);

/* The address of the VM's NIC of that index: the same at every start. Exported for the tests. */
void nets_default_mac(const char *vm_name, unsigned index, uint8_t ret[NET_MAC_BYTES]);
