#include "cli/option_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What goes along from part to part. */
struct parsing {
    const struct option_keys *keys;
    void *base;
    struct pool *pool;
    unsigned given; /* a bit per row */
    char *why;
};

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
static const struct option_row *find_key(const struct option_keys *keys, const char *part,
                                         const char **ret_value)
{
    size_t len = strcspn(part, "=");

    for (size_t i = 0; i < keys->n_rows; i++) {
        const char *name = keys->rows[i].name;

        if (strncmp(name, part, len) == 0 && name[len] == '\0') {
            *ret_value = part[len] == '=' ? part + len + 1 : NULL;
            return &keys->rows[i];
        }
    }
    return NULL;
}

static int list_keys(const struct parsing *p, const char *part)
{
    char names[OPTION_WHY_BYTES];
    size_t len = 0;

    for (size_t i = 0; i < p->keys->n_rows; i++)
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i == 0 ? "" : ", ",
                                p->keys->rows[i].name);
    return option_wrong(
        p->why, "unknown key %.*s: %s are known (a comma in a file's name is written twice)",
        (int)strcspn(part, "="), part, names);
}

static bool takes_many(const struct option_row *row)
{
    return row->kind == OPTION_PATHS || row->kind == OPTION_TEXTS;
}

static int take_key(struct parsing *p, const char *part)
{
    char detail[OPTION_WHY_BYTES];
    const char *value = NULL;
    const struct option_row *row = find_key(p->keys, part, &value);
    unsigned bit;

    if (row == NULL)
        return list_keys(p, part);
    if (value == NULL && row->kind != OPTION_FLAG)
        return option_wrong(p->why, "%s needs a value: %s=%s", row->name, row->name, row->value);
    if (value != NULL && row->kind == OPTION_FLAG)
        return option_wrong(p->why, "%s takes no value", row->name);
    bit = 1u << (row - p->keys->rows);
    if ((p->given & bit) != 0 && !takes_many(row))
        return option_wrong(p->why, "%s is given twice", row->name);
    p->given |= bit;
    if (option_set(row, value, p->base, p->pool, detail) < 0)
        return option_wrong(p->why, "%s: %s", part, detail);
    return 0;
}

/* Only a key with its sign: "readonly" alone at the beginning is a file's name. */
static bool is_bare(const struct option_keys *keys, const char *part)
{
    const char *value = NULL;

    return keys->bare && (find_key(keys, part, &value) == NULL || value == NULL);
}

int option_keys_parse(const struct option_keys *keys, const char *text, void *base,
                      struct pool *pool, char why[OPTION_WHY_BYTES])
{
    struct parsing p = {.keys = keys, .base = base, .pool = pool, .why = why};
    char *part = pool_text(pool, text, strlen(text));
    bool first = true;
    int r = 0;

    if (part == NULL)
        return option_wrong(why, "no memory");
    while (r == 0 && part != NULL) {
        char *next = cut(part);

        if (*part == '\0')
            return option_wrong(why, "there is nothing before or after a comma");
        if (first && is_bare(keys, part)) {
            r = option_set(keys->rows, part, base, pool, why);
            p.given |= 1;
        } else {
            r = take_key(&p, part);
        }
        first = false;
        part = next;
    }
    return r;
}
