/*
 * cli/net_option.h - a NIC as its owner describes it: `--net user,KEY=VALUE...`, or an object of a
 * configuration file. Nothing is judged here; cli/nets.h does that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "cli/option.h"
#include "ipc/nets.h"

/* The first four say what it is plugged into; one of them is wanted. */
struct net_option {
    bool user;
    const char *tap;  /* a device's name; NULL: not said, as below */
    const char *peer; /* a path */
    bool none;
    const char *mac;
    uint64_t mtu;
    uint64_t queues;
    struct text_list forwards;
    bool loopback;
    const char *from; /* who said so, in messages; NULL: the command line */
};

struct net_list {
    struct net_option at[NETS_MAX];
    size_t n;
};

enum {
    NET_ROW_COUNT = 9,
};

/* The keys; offsets are those of struct net_option. */
extern const struct option_row net_rows[NET_ROW_COUNT];

/* All as it is when nothing is said. */
struct net_option net_option_default(void);

/* Add a NIC; -EINVAL and why when there are too many. */
int MUST_USE net_option_add(struct net_list *list, const struct net_option *net,
                            char why[OPTION_WHY_BYTES]);

/* Parse "user,KEY=VALUE,..." and add it. A comma in a value is written twice. */
int MUST_USE net_option_parse(const char *text, struct net_list *list, struct pool *pool,
                              char why[OPTION_WHY_BYTES]);
