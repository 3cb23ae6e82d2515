#include "supervisor/links.h"

#include <errno.h>
#include <unistd.h>

static bool is_nic(const struct links *l, uint32_t nic)
{
    return nic < NETS_MAX && l->nets->rows[nic].kind != NET_NONE;
}

static void show(struct links *l, uint32_t nic)
{
    board_text(l->shown[nic], atomic_load(&l->nets->rows[nic].link_up) != 0 ? "up" : "down");
}

void links_init(struct links *l, struct board *board, struct nets_page *nets, int bell_fd)
{
    l->nets = nets;
    l->bell_fd = bell_fd;
    for (uint32_t i = 0; i < NETS_MAX; i++) {
        if (!is_nic(l, i))
            continue;
        l->shown[i] = board_addf(board, BOARD_TEXT, "nic%u/link", i);
        show(l, i);
    }
}

/* They are numbered from 0, without a gap. */
bool links_has_nic(const struct links *l)
{
    return is_nic(l, 0);
}

int links_set(struct links *l, uint32_t nic, bool up)
{
    static const uint64_t one = 1;

    if (!is_nic(l, nic))
        return -ENOENT;
    atomic_store(&l->nets->rows[nic].link_up, up);
    show(l, nic);
    (void)!write(l->bell_fd, &one, sizeof(one)); /* full means that it is rung already */
    return 0;
}
