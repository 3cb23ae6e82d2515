/*
 * workers/net/main.c - the net worker: synthetic NICs over VMBus, on a tap, a stream or a socket. See README.md.
 */
#include "base/filters.h"
#include "workers/net/net.h"

static const struct worker_ops ops = {
    .process = PROCESS_NET,
    .filter = &net_filter,
    .schema = NET_SCHEMA,
    .schema_min = NET_SCHEMA,
    .state_max = NET_STATE_MAX,
    .setup = net_setup,
    .load = net_load,
    .save = net_save,
    .loop = net_loop,
};

int main(int argc, char **argv)
{
    static struct net s; /* more than a stack should hold */

    return worker_main(&ops, &s, argc, argv);
}
