/*
 * supervisor/route.h - which worker answers an address. The table is supervisor/route_map.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/manifest.h"
#include "ipc/port.h"

/* What the supervisor may answer of a row's accesses itself. */
enum route_front {
    FRONT_NONE,
    FRONT_CRB, /* supervisor/exit/crb_front.h */
};

struct route_row {
    enum port_space space;
    uint64_t first; /* I/O port or guest physical address */
    uint64_t len;
    enum process process;
    uint32_t effects; /* mask of 1 << enum port_effect that its answers may have */
    enum route_front front;
    const char *what;
};

extern const struct route_row route_map[];
extern const size_t route_map_rows;

/* The row that holds all of [addr, addr + size), or NULL: nobody claims it. */
const struct route_row *route_find(enum port_space space, uint64_t addr, unsigned size);

/* Is there a row of that process? */
bool route_leads_to(enum process process);
