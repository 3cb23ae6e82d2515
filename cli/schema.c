#include "cli/schema.h"

#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/disk_option.h"
#include "cli/json.h"
#include "cli/net_option.h"
#include "cli/options.h"
#include "cli/say.h"

static const char SIZE_PATTERN[] = "^[0-9]+([KMGTkmgt](i?B)?)?$";

static json_t *object_of(const struct option_row *rows, size_t n_rows);

/* "a|b|c" as an array, of numbers or of texts. */
static json_t *words_of(const char *choices, bool numbers)
{
    json_t *words = json_array();

    while (*choices != '\0') {
        size_t len = strcspn(choices, "|");

        (void)json_array_append_new(words, numbers ? json_integer(strtoll(choices, NULL, 10))
                                                   : json_stringn(choices, len));
        choices += len + (choices[len] == '|' ? 1 : 0);
    }
    return words;
}

static json_t *texts(int max)
{
    json_t *list = json_pack("{s:s, s:{s:s, s:i}}", "type", "array", "items", "type", "string",
                             "minLength", 1);

    if (max > 0)
        (void)json_object_set_new(list, "maxItems", json_integer(max));
    return list;
}

static json_t *value_of(const struct option_row *row)
{
    switch (row->kind) {
    case OPTION_FLAG:
        return json_pack("{s:s}", "type", "boolean");
    case OPTION_TEXT:
    case OPTION_PATH:
        return json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
    case OPTION_NUMBER:
        return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)row->min,
                         "maximum", (json_int_t)row->max);
    case OPTION_NUMBERS:
        return json_pack("{s:o}", "enum", words_of(row->value, true));
    case OPTION_SIZE:
        return json_pack("{s:[s, s], s:i, s:s}", "type", "integer", "string", "minimum", 0,
                         "pattern", SIZE_PATTERN);
    case OPTION_CHOICE:
        return json_pack("{s:o}", "enum", words_of(row->value, false));
    case OPTION_TEXTS:
    case OPTION_PATHS:
        return texts(OPTION_TEXTS_MAX);
    case OPTION_PAIRS:
        return json_pack("{s:s, s:{s:s, s:i}, s:i}", "type", "object", "additionalProperties",
                         "type", "string", "minLength", 1, "maxProperties", OPTION_PAIRS_MAX);
    case OPTION_DISKS:
        return json_pack("{s:s, s:o, s:i}", "type", "array", "items",
                         object_of(disk_rows, DISK_ROW_COUNT), "maxItems", DISK_ROWS);
    case OPTION_NETS:
        return json_pack("{s:s, s:o, s:i}", "type", "array", "items",
                         object_of(net_rows, NET_ROW_COUNT), "maxItems", NETS_MAX);
    }
    return NULL;
}

static json_t *object_of(const struct option_row *rows, size_t n_rows)
{
    json_t *properties = json_object();

    for (size_t i = 0; i < n_rows; i++) {
        json_t *value = config_file_has(&rows[i]) ? value_of(&rows[i]) : NULL;

        if (value == NULL)
            continue;
        (void)json_object_set_new(value, "description", json_string(rows[i].help));
        (void)json_object_set_new(properties, config_file_key(&rows[i]), value);
    }
    return json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
                     "additionalProperties", 0);
}

json_t *schema_of(const struct option_row *rows, size_t n_rows)
{
    json_t *schema =
        json_pack("{s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title",
                  "What `bulkhead run --config` reads");
    json_t *object = object_of(rows, n_rows);

    (void)json_object_set_new(json_object_get(object, "properties"), "$schema",
                              json_pack("{s:s}", "type", "string"));
    (void)json_object_update(schema, object);
    json_decref(object);
    return schema;
}

int schema_command(const struct cli_args *args)
{
    const struct command *run = command_find("run");

    (void)args;
    json_document(schema_of(run->options, run->n_options), stdout);
    return EXIT_OK;
}
