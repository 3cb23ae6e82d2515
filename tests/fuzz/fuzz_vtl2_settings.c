/*
 * tests/fuzz/fuzz_vtl2_settings.c - a document of OpenHCL's VTL2 settings.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json_file.h"
#include "cli/vtl2_settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_disk(const struct disk_option *d)
{
    if (d->controller >= DISK_CONTROLLERS || d->lun >= DISK_LUNS || d->from == NULL ||
        d->members.n >= DISK_MEMBERS || (d->members.n > 0 && d->file == NULL) ||
        (d->file == NULL && d->kind != DISK_OPTION_DVD))
        abort();
    for (size_t i = 0; i < d->members.n; i++) {
        if (d->members.at[i] == NULL)
            abort();
    }
}

static void apply(const struct json_file *f)
{
    struct pair pairs[] = {
        {"nvme:3217a48a-c820-4727-8c4c-3e2086aba839:1",  "one.img"},
        {"vscsi:3217a48a-c820-4727-8c4c-3e2086aba839:0", "two.img"},
    };
    const struct pair_list devices = {.at = pairs, .n = COUNT_OF(pairs)};
    struct disk_list disks = {0};
    struct vtl2_notes notes = {0};
    struct pool pool = {0};
    char error[JSON_FILE_ERROR_BYTES] = "";
    int r = vtl2_settings_apply(f, &devices, &disks, &notes, &pool, error);

    if ((r < 0) != (error[0] != '\0') || (r != 0 && r != -EINVAL) || disks.n > DISK_ROWS ||
        notes.n > VTL2_NOTES_MAX)
        abort();
    for (size_t i = 0; i < disks.n; i++)
        check_disk(&disks.at[i]);
    pool_done(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_file f;
    char error[JSON_FILE_ERROR_BYTES];

    if (json_file_parse("f", (const char *)data, size, &f, error) == 0)
        apply(&f);
    json_file_done(&f);
    return 0;
}
