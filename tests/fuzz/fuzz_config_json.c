/*
 * tests/fuzz/fuzz_config_json.c - a configuration file: its JSON, judged by another parser as well, and
 * the options in it.
 */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config_file.h"
#include "cli/json_file.h"
#include "cli/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read here, the other reads; it refuses numbers that do not fit, which here are texts. */
static void check_other(const struct json_file *f)
{
    json_error_t error;
    json_t *other = json_loadb(f->text, f->len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);

    if (other == NULL && json_error_code(&error) != json_error_numeric_overflow)
        abort();
    if (other != NULL && json_is_string(other) &&
        strcmp(json_string_value(other), document_root(f->document)->text) != 0)
        abort();
    json_decref(other);
}

static void check_disk(const struct disk_option *d)
{
    if (d->kind > DISK_OPTION_DVD || d->format > DISK_OPTION_RAM || d->controller > 3 ||
        (d->lun > 63 && d->lun != DISK_OPTION_ANY_LUN) || d->members.n > DISK_MEMBERS ||
        (d->block_bytes != 0 && d->block_bytes != 512 && d->block_bytes != 4096))
        abort();
}

static void check_options(const struct json_file *f)
{
    const struct command *run = command_find("run");
    struct cli_args args = {.vcpus = 1};
    char error[JSON_FILE_ERROR_BYTES] = "";
    int r = config_file_apply(f, run->options, run->n_options, &args, &args.pool, error);

    if ((r < 0) != (error[0] != '\0') || (r != 0 && r != -EINVAL))
        abort();
    if (args.vcpus < 1 || args.vcpus > 64 || args.mode > RUN_NESTED || args.disks.n > DISK_ROWS)
        abort();
    for (size_t i = 0; i < args.disks.n; i++)
        check_disk(&args.disks.at[i]);
    options_done(&args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_file f;
    char error[JSON_FILE_ERROR_BYTES] = "";
    int r = json_file_parse("f", (const char *)data, size, &f, error);

    if ((r < 0) != (error[0] != '\0'))
        abort();
    if (r == 0) {
        check_other(&f);
        check_options(&f);
    }
    json_file_done(&f);
    return 0;
}
