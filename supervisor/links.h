/*
 * supervisor/links.h - the links of the NICs, as operators set them: in the page that the net worker looks at when its
 * bell is rung. It outlives each worker, so a link that is down stays down.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"
#include "base/macro.h"
#include "ipc/nets.h"

struct links {
    struct nets_page *nets; /* borrowed, as is the bell */
    int bell_fd;            /* of net */
    struct board_row *shown[NETS_MAX];
};

/* init has written the page: what it has of links is shown. */
void links_init(struct links *l, struct board *board, struct nets_page *nets, int bell_fd);

/* Is there any? */
bool links_has_nic(const struct links *l);

/* Set the link of that NIC, and wake net. -ENOENT: there is none of that number. */
int MUST_USE links_set(struct links *l, uint32_t nic, bool up);
