#include "cli/disk_option.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

/*
 * Cut the next part off: up to a comma that stands alone, pairs of commas made one. Returns what
 * follows; NULL: this was the last part.
 */
static char *cut(char *text)
{
    char *to = text;
    char *at = text;

    for (; *at != '\0'; at++) {
        if (*at == ',') {
            if (at[1] != ',') {
                *to = '\0';
                return at + 1;
            }
            at++;
        }
        *to++ = *at;
    }
    *to = '\0';
    return NULL;
}

/* The row whose key the part begins with; *ret_value is what stands after the sign. */
static const struct option_row *find_key(const char *part, const char **ret_value)
{
    size_t len = strcspn(part, "=");

    for (size_t i = 0; i < DISK_ROW_COUNT; i++) {
        if (strncmp(disk_rows[i].name, part, len) == 0 && disk_rows[i].name[len] == '\0') {
            *ret_value = part[len] == '=' ? part + len + 1 : NULL;
            return &disk_rows[i];
        }
    }
    return NULL;
}

static int list_keys(const char *part, char *why)
{
    char keys[OPTION_WHY_BYTES];
    size_t len = 0;

    for (size_t i = 0; i < DISK_ROW_COUNT; i++)
        len += (size_t)snprintf(keys + len, sizeof(keys) - len, "%s%s", i == 0 ? "" : ", ",
                                disk_rows[i].name);
    return option_wrong(
        why, "unknown key %.*s: %s are known (a comma in a file's name is written twice)",
        (int)strcspn(part, "="), part, keys);
}

static int take_key(const char *part, struct disk_option *disk, unsigned *given, struct pool *pool,
                    char *why)
{
    char detail[OPTION_WHY_BYTES];
    const char *value = NULL;
    const struct option_row *row = find_key(part, &value);
    unsigned bit;

    if (row == NULL)
        return list_keys(part, why);
    if (value == NULL && row->kind != OPTION_FLAG)
        return option_wrong(why, "%s needs a value: %s=%s", row->name, row->name, row->value);
    if (value != NULL && row->kind == OPTION_FLAG)
        return option_wrong(why, "%s takes no value", row->name);
    bit = 1u << (row - disk_rows);
    if ((*given & bit) != 0 && row->kind != OPTION_PATHS)
        return option_wrong(why, "%s is given twice", row->name);
    *given |= bit;
    if (option_set(row, value, disk, pool, detail) < 0)
        return option_wrong(why, "%s: %s", part, detail);
    return 0;
}

/* Only a key with its sign: "readonly" alone at the beginning is a file's name. */
static bool begins_with_key(const char *part)
{
    const char *value = NULL;

    return find_key(part, &value) != NULL && value != NULL;
}

int disk_option_parse(const char *text, struct disk_list *list, struct pool *pool,
                      char why[OPTION_WHY_BYTES])
{
    struct disk_option disk = disk_option_default();
    char *part = pool_text(pool, text, strlen(text));
    unsigned given = 0;
    bool first = true;

    if (part == NULL)
        return option_wrong(why, "no memory");
    while (part != NULL) {
        char *next = cut(part);

        if (*part == '\0')
            return option_wrong(why, "there is nothing before or after a comma");
        if (first && !begins_with_key(part)) {
            disk.file = part;
            given |= 1; /* the row of "file" */
        } else if (take_key(part, &disk, &given, pool, why) < 0) {
            return -EINVAL;
        }
        first = false;
        part = next;
    }
    return disk_option_add(list, &disk, pool, why);
}
