#include "cli/json.h"

/* Other bytes than those of ASCII could steer a terminal. */
static void print(json_t *value, size_t flags, FILE *out)
{
    if (value == NULL || json_dumpf(value, out, flags | JSON_ENSURE_ASCII) < 0)
        (void)fputs("null", out);
    (void)fputc('\n', out);
    json_decref(value);
}

void json_line(json_t *value, FILE *out)
{
    print(value, JSON_COMPACT | JSON_ENCODE_ANY, out);
}

void json_document(json_t *value, FILE *out)
{
    print(value, JSON_INDENT(2) | JSON_ENCODE_ANY, out);
}
