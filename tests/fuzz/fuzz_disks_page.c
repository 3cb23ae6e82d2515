/*
 * tests/fuzz/fuzz_disks_page.c - a page of disks of which init wrote only a part, or somebody else did.
 *
 * Input: the number of rows, seq, then records that are put over the page: u8 what, u8 which, and the
 * bytes of that row, or of that file. What is accepted keeps every promise of ipc/disks.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "ipc/disks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_row(const struct disks_page *p, const struct disk_row *row)
{
    must(row->kind == DISK_DISK || row->kind == DISK_DVD);
    must(row->controller < DISK_CONTROLLERS && row->lun < DISK_LUNS);
    must(row->format <= DISK_RAM);
    must(strnlen(row->serial, sizeof(row->serial)) < sizeof(row->serial));
    must(row->n_members <= DISK_MEMBERS);
    must(row->n_members <= 1 || row->chunk_bytes >= DISK_CHUNK_UNIT);
    must(row->n_members > 0 || (row->flags & DISK_EMPTY) != 0);
    for (uint32_t i = 0; i < row->n_members; i++)
        must(p->files[row->members[i]].in_use != 0);
}

static void put(struct rd *r, struct disks_page *p)
{
    uint8_t what = rd_u8(r);
    uint8_t which = rd_u8(r);

    if (what % 2 == 0)
        rd_copy(r, &p->rows[which % DISK_ROWS], sizeof(p->rows[0]));
    else
        rd_copy(r, &p->files[which], sizeof(p->files[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disks_page page, copy, before;
    struct rd r = rd_over(data, size);

    memset(&page, 0, sizeof(page));
    memset(&copy, 0x5a, sizeof(copy));
    page.n_rows = rd_le32(&r);
    atomic_store(&page.seq, rd_u8(&r));
    while (rd_ok(&r) && r.left > 0)
        put(&r, &page);
    memcpy(&before, &page, sizeof(page));
    if (disks_read(&page, &copy)) {
        must(copy.n_rows <= DISK_ROWS && atomic_load(&page.seq) % 2 == 0);
        for (uint32_t i = 0; i < copy.n_rows; i++) {
            if (copy.rows[i].kind != DISK_NONE)
                check_row(&copy, &copy.rows[i]);
        }
    }
    must(memcmp(&before, &page, sizeof(page)) == 0);
    return 0;
}
