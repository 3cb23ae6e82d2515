#include "cli/vtl2_fields.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool vtl2_is_guid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t i = 0;

    for (; form[i] != '\0'; i++) {
        if (form[i] == 'x' ? !isxdigit((unsigned char)text[i]) : text[i] != form[i])
            return false;
    }
    return text[i] == '\0';
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

int vtl2_base64(const char *text, struct pool *pool, char **ret, size_t *ret_len)
{
    size_t len = strcspn(text, "=");
    char *bytes;
    size_t n = 0;
    uint32_t bits = 0;

    if (strspn(text + len, "=") != strlen(text + len) || strlen(text + len) > 2 || len % 4 == 1)
        return -EBADMSG;
    bytes = pool_alloc(pool, len / 4 * 3 + 3);
    if (bytes == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(text[i]);

        if (digit < 0)
            return -EBADMSG;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0)
            bytes[n++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    *ret = bytes;
    *ret_len = n;
    return 0;
}

void vtl2_note(const struct vtl2_reading *c, const struct node *node, const char *line)
{
    char *place;

    for (size_t i = 0; i < c->notes->n; i++) {
        if (strstr(c->notes->at[i], line) != NULL)
            return;
    }
    if (c->notes->n == VTL2_NOTES_MAX)
        return;
    place = json_file_place(c->f, node->at, c->pool);
    if (place != NULL)
        place = pool_printf(c->pool, "%s: %s", place, line);
    if (place != NULL)
        c->notes->at[c->notes->n++] = place;
}

/* Is the key that name, or its lowerCamelCase? */
static bool is_name(const char *key, const char *name)
{
    const char *from = name;

    if (strcmp(key, name) == 0)
        return true;
    for (; *key != '\0' && *from != '\0'; key++, from++) {
        char wanted = *from;

        if (wanted == '_') {
            from++;
            wanted = (char)toupper((unsigned char)*from);
        }
        if (*key != wanted)
            return false;
    }
    return *key == '\0' && *from == '\0';
}

static int wrong_kind(const struct vtl2_reading *c, const struct vtl2_field *field,
                      const struct node *n, const char *wanted)
{
    return json_file_wrong(c->f, n->at, c->error, "%s: %s is wanted, not %s", field->name, wanted,
                           node_kind_name(n->kind));
}

static int read_text(const struct vtl2_reading *c, const struct vtl2_field *field,
                     const struct node *n, struct vtl2_value *ret)
{
    if (n->kind != NODE_STRING)
        return wrong_kind(c, field, n, "a string");
    if (field->kind == VTL2_GUID && !vtl2_is_guid(n->text))
        return json_file_wrong(c->f, n->at, c->error, "%s: %.64s is not a GUID", field->name,
                               n->text);
    ret->text = pool_text(c->pool, n->text, strlen(n->text));
    if (ret->text == NULL)
        return json_file_wrong(c->f, n->at, c->error, "no memory");
    return 0;
}

/* Both 1 and "1", as protobuf's JSON has it. */
static int read_number(const struct vtl2_reading *c, const struct vtl2_field *field,
                       const struct node *n, struct vtl2_value *ret)
{
    if (n->kind != NODE_NUMBER && n->kind != NODE_STRING)
        return wrong_kind(c, field, n, "a number");
    if (option_number(n->text, &ret->number) < 0 || ret->number > field->max)
        return json_file_wrong(c->f, n->at, c->error, "%s: a number from 0 to %llu is wanted",
                               field->name, (unsigned long long)field->max);
    return 0;
}

static int read_enum(const struct vtl2_reading *c, const struct vtl2_field *field,
                     const struct node *n, struct vtl2_value *ret)
{
    const char *word = field->words;
    uint64_t number = UINT64_MAX;

    if (n->kind != NODE_NUMBER && n->kind != NODE_STRING)
        return wrong_kind(c, field, n, "a word");
    if (n->kind == NODE_NUMBER && option_number(n->text, &number) < 0)
        number = UINT64_MAX;
    for (uint64_t i = 0; *word != '\0'; i++) {
        size_t len = strcspn(word, "|");

        if (number == i || (n->kind == NODE_STRING && strlen(n->text) == len &&
                            strncasecmp(n->text, word, len) == 0)) {
            ret->number = i;
            return 0;
        }
        word += len + (word[len] == '|' ? 1 : 0);
    }
    return json_file_wrong(c->f, n->at, c->error, "%s: one of %s is wanted", field->name,
                           field->words);
}

static int read_value(const struct vtl2_reading *c, const struct vtl2_field *field,
                      const struct node *n, struct vtl2_value *ret)
{
    switch (field->kind) {
    case VTL2_TEXT:
    case VTL2_GUID:
        return read_text(c, field, n, ret);
    case VTL2_NUMBER:
        return read_number(c, field, n, ret);
    case VTL2_BOOL:
        ret->yes = n->kind == NODE_TRUE;
        return n->kind == NODE_TRUE || n->kind == NODE_FALSE
                   ? 0
                   : wrong_kind(c, field, n, "true or false");
    case VTL2_ENUM:
        return read_enum(c, field, n, ret);
    case VTL2_OBJECT:
        return n->kind == NODE_OBJECT ? 0 : wrong_kind(c, field, n, "an object");
    case VTL2_ARRAY:
        return n->kind == NODE_ARRAY ? 0 : wrong_kind(c, field, n, "an array");
    }
    return -EINVAL;
}

static int read_member(const struct vtl2_reading *c, const struct node *n, const char *what,
                       const struct vtl2_field *field, void *base)
{
    struct vtl2_value *value = (void *)((char *)base + field->offset);
    char line[128];
    int r;

    if (n->kind == NODE_NULL) /* as if it were not there */
        return 0;
    if (value->node != NULL)
        return json_file_wrong(c->f, n->key_at, c->error, "%s is here twice", field->name);
    r = read_value(c, field, n, value);
    if (r < 0)
        return r;
    value->node = n;
    if (field->use == VTL2_NOTED) {
        (void)snprintf(line, sizeof(line), "%s of %s is read and not used", field->name, what);
        vtl2_note(c, n, line);
    }
    return 0;
}

int vtl2_read(const struct vtl2_reading *c, const struct node *object, const char *what,
              const struct vtl2_field *fields, size_t n_fields, void *base)
{
    int r = 0;

    if (object->kind != NODE_OBJECT)
        return json_file_wrong(c->f, object->at, c->error, "%s: an object is wanted, not %s", what,
                               node_kind_name(object->kind));
    for (const struct node *n = object->first; r == 0 && n != NULL; n = n->next) {
        size_t i = 0;

        while (i < n_fields && !is_name(n->key, fields[i].name))
            i++;
        if (i == n_fields)
            return json_file_wrong(c->f, n->key_at, c->error, "%.64s is no field of %s", n->key,
                                   what);
        r = read_member(c, n, what, &fields[i], base);
    }
    return r;
}
