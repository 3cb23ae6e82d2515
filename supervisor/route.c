#include "supervisor/route.h"

#include "base/num.h"

const struct route_row *route_find(enum port_space space, uint64_t addr, unsigned size)
{
    for (size_t i = 0; i < route_map_rows; i++) {
        const struct route_row *row = &route_map[i];

        if (row->space == space && addr >= row->first &&
            range_inside(addr - row->first, size, row->len))
            return row;
    }
    return NULL;
}

bool route_leads_to(enum process process)
{
    for (size_t i = 0; i < route_map_rows; i++) {
        if (route_map[i].process == process)
            return true;
    }
    return false;
}
