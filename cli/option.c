#include "cli/option.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "cli/disk_option.h"
#include "cli/net_option.h"

int option_wrong(char why[OPTION_WHY_BYTES], const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(why, OPTION_WHY_BYTES, fmt, args);
    va_end(args);
    return -EINVAL;
}

static int parse_number(const char *text, uint64_t *ret, const char **ret_end)
{
    uint64_t v = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        int r = u64_mul(v, 10, &v);

        if (r == 0)
            r = u64_add(v, (uint64_t)(*at - '0'), &v);
        if (r < 0)
            return r;
    }
    if (at == text)
        return -EINVAL;
    *ret = v;
    *ret_end = at;
    return 0;
}

int option_number(const char *text, uint64_t *ret)
{
    const char *end = "";
    uint64_t v = 0;
    int r = parse_number(text, &v, &end);

    if (r < 0 || *end != '\0')
        return r < 0 ? r : -EINVAL;
    *ret = v;
    return 0;
}

int option_size(const char *text, uint64_t *ret_bytes)
{
    static const char units[] = "KMGT";
    uint64_t scale = 1;
    uint64_t v;
    const char *end;
    int r = parse_number(text, &v, &end);

    if (r < 0)
        return r;
    if (*end != '\0') {
        const char *unit = strchr(units, *end & ~0x20);

        if (unit == NULL || *unit == '\0')
            return -EINVAL;
        scale = UINT64_C(1) << (10 * (unit - units + 1));
        end++;
        if (strcmp(end, "") != 0 && strcmp(end, "B") != 0 && strcmp(end, "iB") != 0)
            return -EINVAL;
    }
    return u64_mul(v, scale, ret_bytes);
}

int option_choice(const char *text, const char *choices, unsigned *ret)
{
    size_t len = strlen(text);

    for (unsigned i = 0; len > 0; i++) {
        const char *end = strchrnul(choices, '|');

        if ((size_t)(end - choices) == len && strncmp(choices, text, len) == 0) {
            *ret = i;
            return 0;
        }
        if (*end == '\0')
            break;
        choices = end + 1;
    }
    return -EINVAL;
}

static int set_number(const struct option_row *row, const char *text, uint64_t *field, char *why)
{
    uint64_t v = 0;

    if (option_number(text, &v) < 0 || v < row->min || v > row->max)
        return option_wrong(why, "a number from %llu to %llu is wanted",
                            (unsigned long long)row->min, (unsigned long long)row->max);
    *field = v;
    return 0;
}

static int set_numbers(const struct option_row *row, const char *text, uint64_t *field, char *why)
{
    unsigned which;

    if (option_choice(text, row->value, &which) < 0)
        return option_wrong(why, "one of %s is wanted", row->value);
    return option_number(text, field);
}

static int add_text(struct text_list *list, const char *text, char *why)
{
    if (list->n == COUNT_OF(list->at))
        return option_wrong(why, "that is too many, at most %zu are possible", COUNT_OF(list->at));
    list->at[list->n++] = text;
    return 0;
}

const struct pair *option_find_pair(const struct pair_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcasecmp(list->at[i].name, name) == 0)
            return &list->at[i];
    }
    return NULL;
}

int option_add_pair(struct pair_list *list, const char *name, const char *file, struct pool *pool,
                    char why[OPTION_WHY_BYTES])
{
    const struct pair *known = option_find_pair(list, name);
    size_t at = known != NULL ? (size_t)(known - list->at) : list->n;

    if (list->at == NULL)
        list->at = pool_alloc(pool, OPTION_PAIRS_MAX * sizeof(*list->at));
    if (list->at == NULL)
        return option_wrong(why, "no memory");
    if (at == OPTION_PAIRS_MAX)
        return option_wrong(why, "that is too many, at most %d are possible", OPTION_PAIRS_MAX);
    list->at[at] = (struct pair){.name = name, .file = file};
    if (known == NULL)
        list->n++;
    return 0;
}

static int set_pair(const char *text, struct pair_list *list, struct pool *pool, char *why)
{
    const char *sign = strchr(text, '=');
    char *name;

    if (sign == NULL || sign == text || sign[1] == '\0')
        return option_wrong(why, "NAME=FILE is wanted");
    name = pool_text(pool, text, (size_t)(sign - text));
    if (name == NULL)
        return option_wrong(why, "no memory");
    return option_add_pair(list, name, sign + 1, pool, why);
}

/* The field's type follows from the row's kind. */
int option_set(const struct option_row *row, const char *text, void *base, struct pool *pool,
               char why[OPTION_WHY_BYTES])
{
    void *field = (char *)base + row->offset;

    if (row->kind == OPTION_FLAG) {
        *(bool *)field = true;
        return 0;
    }
    if (*text == '\0' && row->kind != OPTION_CHOICE)
        return option_wrong(why, "the value is empty");
    switch (row->kind) {
    case OPTION_FLAG:
        break;
    case OPTION_TEXT:
    case OPTION_PATH:
        *(const char **)field = text;
        return 0;
    case OPTION_NUMBER:
        return set_number(row, text, field, why);
    case OPTION_NUMBERS:
        return set_numbers(row, text, field, why);
    case OPTION_SIZE:
        if (option_size(text, field) < 0)
            return option_wrong(why, "a size like 512M or 2G is wanted");
        return 0;
    case OPTION_CHOICE:
        if (option_choice(text, row->value, field) < 0)
            return option_wrong(why, "one of %s is wanted", row->value);
        return 0;
    case OPTION_TEXTS:
    case OPTION_PATHS:
        return add_text(field, text, why);
    case OPTION_PAIRS:
        return set_pair(text, field, pool, why);
    case OPTION_DISKS:
        return disk_option_parse(text, field, pool, why);
    case OPTION_NETS:
        return net_option_parse(text, field, pool, why);
    }
    return -EINVAL;
}
