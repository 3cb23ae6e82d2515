#include "cli/payload_disks.h"

#include <errno.h>

/* Strings of protobuf-c messages are not const; packing does not change them. */
static void *unconst(const void *p)
{
    return (void *)(uintptr_t)p;
}

/* *file counts the files of all disks. */
static int add_paths(const struct disk_plan *p, bool nested, unsigned *file, struct pool *pool,
                     Bulkhead__Disk *disk)
{
    disk->paths = pool_alloc(pool, DISK_MEMBERS * sizeof(*disk->paths));
    if (disk->paths == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < p->n_files; i++) {
        disk->paths[i] =
            nested ? pool_printf(pool, "serial:" NESTED_SERIAL, (*file)++) : unconst(p->paths[i]);
        if (disk->paths[i] == NULL)
            return -ENOMEM;
    }
    disk->n_paths = p->n_files;
    return 0;
}

static void fill(const struct disk_plan *p, Bulkhead__Disk *disk)
{
    const struct disk_option *d = p->option;

    bulkhead__disk__init(disk);
    disk->kind = p->kind;
    disk->format = p->format;
    disk->read_only = p->read_only;
    disk->controller = (uint32_t)d->controller;
    disk->lun = p->lun;
    disk->block_bytes = (uint32_t)d->block_bytes;
    disk->physical_bytes = (uint32_t)d->physical_block_bytes;
    disk->chunk_bytes = p->chunk_bytes;
    disk->ram_bytes = d->ram_bytes;
    if (d->serial != NULL)
        disk->serial = unconst(d->serial);
    disk->identity =
        (ProtobufCBinaryData){.data = unconst(p->identity), .len = DISK_IDENTITY_BYTES};
}

int payload_disks(const struct disks_plan *plan, bool nested, struct pool *pool,
                  Bulkhead__VmConfig *config)
{
    Bulkhead__Disk *disks = pool_alloc(pool, plan->n * sizeof(*disks));
    Bulkhead__Disk **list = pool_alloc(pool, plan->n * sizeof(*list));
    unsigned file = 0;

    if (disks == NULL || list == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < plan->n; i++) {
        fill(&plan->at[i], &disks[i]);
        list[i] = &disks[i];
        if (add_paths(&plan->at[i], nested, &file, pool, &disks[i]) < 0)
            return -ENOMEM;
    }
    config->disks = list;
    config->n_disks = plan->n;
    return 0;
}
