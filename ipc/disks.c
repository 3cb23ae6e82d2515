#include "ipc/disks.h"

#include <string.h>

static bool row_is_sound(const struct disks_page *p, const struct disk_row *row)
{
    if (row->kind == DISK_NONE)
        return true;
    if (row->kind > DISK_DVD || row->format > DISK_RAM || row->controller >= DISK_CONTROLLERS ||
        row->lun >= DISK_LUNS || row->n_members > DISK_MEMBERS ||
        memchr(row->serial, '\0', sizeof(row->serial)) == NULL)
        return false;
    for (uint32_t i = 0; i < row->n_members; i++) {
        if (row->members[i] >= DISK_FILES || p->files[row->members[i]].in_use == 0)
            return false;
    }
    return true;
}

bool disks_read(const struct disks_page *page, struct disks_page *ret)
{
    uint32_t seq = atomic_load_explicit(&page->seq, memory_order_acquire);

    memcpy(ret, page, sizeof(*ret));
    atomic_thread_fence(memory_order_acquire);
    if (seq % 2 != 0 || atomic_load_explicit(&page->seq, memory_order_relaxed) != seq ||
        ret->n_rows > DISK_ROWS)
        return false;
    for (uint32_t i = 0; i < ret->n_rows; i++) {
        if (!row_is_sound(ret, &ret->rows[i]))
            return false;
    }
    return true;
}
