#include "supervisor/captures.h"

#include <errno.h>

#include "base/clock.h"

static bool is_nic(const struct captures *c, uint32_t nic)
{
    return nic < NETS_MAX && c->nets->rows[nic].kind != NET_NONE;
}

static bool is_on(const struct captures *c, uint32_t nic)
{
    return atomic_load(&c->nets->rows[nic].capture_until_ns) != 0;
}

/* What is captured of whom is for the log, the repeated wish is not. */
static void tell(struct captures *c, uint32_t nic, uint32_t bytes)
{
    board_set(c->shown[nic], bytes);
    if (bytes != 0)
        board_log(c->board, LOG_LEVEL_INFO, "nic %u: frames are captured, up to %u bytes of each",
                  nic, bytes);
    else
        board_log(c->board, LOG_LEVEL_INFO, "nic %u: frames are not captured any more", nic);
}

static void end(struct captures *c, uint32_t nic)
{
    if (!is_on(c, nic))
        return;
    atomic_store(&c->nets->rows[nic].capture_until_ns, 0);
    tell(c, nic, 0);
}

void captures_init(struct captures *c, struct board *board, struct nets_page *nets)
{
    *c = (struct captures){.nets = nets, .board = board};
    for (uint32_t i = 0; i < NETS_MAX; i++) {
        if (is_nic(c, i))
            c->shown[i] = board_addf(board, BOARD_GAUGE, "nic%u/captured_bytes", i);
    }
}

int captures_set(struct captures *c, uint32_t nic, uint32_t bytes, uint64_t now_ns)
{
    struct net_row *row;
    bool anew;

    if (!is_nic(c, nic))
        return -ENOENT;
    if (bytes == 0) {
        end(c, nic);
        return 0;
    }
    row = &c->nets->rows[nic];
    anew = !is_on(c, nic) || atomic_load(&row->capture_bytes) != bytes;
    atomic_store(&row->capture_bytes, bytes);
    atomic_store(&row->capture_until_ns, now_ns + CAPTURES_LEASE_MS * NS_PER_MS);
    if (anew)
        tell(c, nic, bytes);
    return 0;
}

void captures_tick(struct captures *c, uint64_t now_ns)
{
    for (uint32_t i = 0; i < NETS_MAX; i++) {
        if (is_nic(c, i) && atomic_load(&c->nets->rows[i].capture_until_ns) <= now_ns)
            end(c, i);
    }
}
