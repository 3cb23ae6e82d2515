#include "ipc/disks.h"

#include <string.h>

static bool is_block(uint32_t bytes)
{
    return bytes == 0 || bytes == 512 || bytes == 4096;
}

/* Each number alone. */
static bool numbers_are_sound(const struct disk_row *row)
{
    const uint32_t flags = DISK_READ_ONLY | DISK_BLOCK_DEVICE | DISK_EMPTY | DISK_ADDED;

    return row->kind <= DISK_DVD && row->format <= DISK_RAM && (row->flags & ~flags) == 0 &&
           row->controller < DISK_CONTROLLERS && row->lun < DISK_LUNS &&
           is_block(row->block_bytes) && is_block(row->physical_bytes) &&
           row->chunk_bytes % DISK_CHUNK_UNIT == 0 && row->n_members <= DISK_MEMBERS &&
           memchr(row->serial, '\0', sizeof(row->serial)) != NULL;
}

static bool row_is_sound(const struct disks_page *p, const struct disk_row *row)
{
    if (row->kind == DISK_NONE)
        return true;
    if (!numbers_are_sound(row) || (row->n_members > 1) != (row->chunk_bytes != 0))
        return false;
    if ((row->n_members == 0) != ((row->flags & DISK_EMPTY) != 0))
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
