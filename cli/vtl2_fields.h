/*
 * cli/vtl2_fields.h - the messages of OpenHCL's VTL2 settings as tables of fields, and their reader.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "cli/json_file.h"
#include "cli/vtl2_settings.h"

enum vtl2_kind {
    VTL2_TEXT,
    VTL2_GUID, /* a text, as it is */
    VTL2_NUMBER,
    VTL2_BOOL,
    VTL2_ENUM, /* a number: which word of words */
    VTL2_OBJECT,
    VTL2_ARRAY,
};

enum vtl2_use {
    VTL2_USED,
    VTL2_NOTED,  /* read, and a note says that it is not used */
    VTL2_SILENT, /* has no meaning here, or none at all */
};

/* What a field holds; by its row's kind. */
struct vtl2_value {
    const struct node *node; /* NULL: it is not there */
    const char *text;
    uint64_t number;
    bool yes;
};

struct vtl2_field {
    const char *name; /* as in the .proto; its lowerCamelCase is known too */
    enum vtl2_kind kind;
    enum vtl2_use use;
    size_t offset;     /* of a struct vtl2_value */
    uint64_t max;      /* VTL2_NUMBER */
    const char *words; /* VTL2_ENUM: "UNKNOWN|NVME"; letter case does not count */
};

/* What goes along. */
struct vtl2_reading {
    const struct json_file *f;
    const struct pair_list *devices;
    struct disk_list *disks;
    struct vtl2_notes *notes;
    struct pool *pool;
    char *error;
};

/* Read an object into its struct, which starts as zeros. Unknown keys are errors, as in OpenHCL. */
int MUST_USE vtl2_read(const struct vtl2_reading *c, const struct node *object, const char *what,
                       const struct vtl2_field *fields, size_t n_fields, void *base);

/* Note once that what the line is about is not used. */
void vtl2_note(const struct vtl2_reading *c, const struct node *node, const char *line);

/* Bytes of a base64 text, with either alphabet; in the pool, terminated. -EBADMSG, -ENOMEM. */
int MUST_USE vtl2_base64(const char *text, struct pool *pool, char **ret, size_t *ret_len);

/* "3217a48a-c820-4727-8c4c-3e2086aba839", in braces or not. */
bool vtl2_is_guid(const char *text);
