#include "cli/disk_option.h"

#include "cli/option_keys.h"

/* clang-format off */
const struct option_row disk_rows[DISK_ROW_COUNT] = {
    {"file", 0, OPTION_PATH, offsetof(struct disk_option, file), "FILE",
     "the image, or a block device", 0, 0},
    {"member", 0, OPTION_PATHS, offsetof(struct disk_option, members), "FILE",
     "one more file, of a striped disk (repeatable)", 0, 0, "members"},
    {"kind", 0, OPTION_CHOICE, offsetof(struct disk_option, kind), "disk|dvd",
     "a DVD drive may be empty", 0, 0},
    {"format", 0, OPTION_CHOICE, offsetof(struct disk_option, format), "auto|raw|vhd|vhdx|ram",
     "of the file (default: as its name says)", 0, 0},
    {"controller", 0, OPTION_NUMBER, offsetof(struct disk_option, controller), "N",
     "SCSI controller (0 to 3, default: 0)", 0, DISK_CONTROLLERS - 1},
    {"lun", 0, OPTION_NUMBER, offsetof(struct disk_option, lun), "N",
     "its place there (0 to 63, default: the next free one)", 0, DISK_LUNS - 1},
    {"readonly", 0, OPTION_FLAG, offsetof(struct disk_option, read_only), NULL,
     "the guest cannot write", 0, 0},
    {"serial", 0, OPTION_TEXT, offsetof(struct disk_option, serial), "TEXT",
     "serial number, up to 31 characters", 0, 0},
    {"block-size", 0, OPTION_NUMBERS, offsetof(struct disk_option, block_bytes), "512|4096",
     "of a raw image (default: 512)", 0, 0},
    {"physical-block-size", 0, OPTION_NUMBERS, offsetof(struct disk_option, physical_block_bytes),
     "512|4096", "what the guest is told (default: as the file's)", 0, 0},
    {"size", 0, OPTION_SIZE, offsetof(struct disk_option, ram_bytes), "SIZE",
     "of a disk in memory (format=ram)", 0, 0},
    {"chunk", 0, OPTION_SIZE, offsetof(struct disk_option, chunk_bytes), "SIZE",
     "of a stripe (default: 128K)", 0, 0},
};
/* clang-format on */

struct disk_option disk_option_default(void)
{
    return (struct disk_option){.lun = DISK_OPTION_ANY_LUN};
}

int disk_option_add(struct disk_list *list, const struct disk_option *disk, struct pool *pool,
                    char why[OPTION_WHY_BYTES])
{
    if (list->at == NULL)
        list->at = pool_alloc(pool, DISK_ROWS * sizeof(*list->at));
    if (list->at == NULL)
        return option_wrong(why, "no memory");
    if (list->n == DISK_ROWS)
        return option_wrong(why, "that is too many disks, at most %d are possible", DISK_ROWS);
    list->at[list->n++] = *disk;
    return 0;
}

void disk_option_override(struct disk_list *list, size_t n_old)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->n; i++) {
        bool replaced = false;

        for (size_t by = n_old; i < n_old && by < list->n; by++)
            replaced |= list->at[i].lun != DISK_OPTION_ANY_LUN &&
                        list->at[by].lun == list->at[i].lun &&
                        list->at[by].controller == list->at[i].controller;
        if (!replaced)
            list->at[kept++] = list->at[i];
    }
    list->n = kept;
}

int disk_option_parse(const char *text, struct disk_list *list, struct pool *pool,
                      char why[OPTION_WHY_BYTES])
{
    static const struct option_keys keys = {disk_rows, DISK_ROW_COUNT, .bare = true};
    struct disk_option disk = disk_option_default();
    int r = option_keys_parse(&keys, text, &disk, pool, why);

    return r < 0 ? r : disk_option_add(list, &disk, pool, why);
}
