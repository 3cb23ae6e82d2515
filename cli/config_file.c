#include "cli/config_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/disk_option.h"
#include "cli/net_option.h"

/* What goes along with one object of the file. */
struct filling {
    const struct json_file *f;
    struct pool *pool;
    char *error;
};

static const char SCHEMA_KEY[] = "$schema";

bool config_file_has(const struct option_row *row)
{
    return strcmp(row->name, "config") != 0;
}

const char *config_file_key(const struct option_row *row)
{
    return row->key != NULL ? row->key : row->name;
}

static int wrong_kind(const struct filling *c, const char *name, const struct node *n,
                      const char *wanted)
{
    return json_file_wrong(c->f, n->at, c->error, "%s: %s is wanted, not %s", name, wanted,
                           node_kind_name(n->kind));
}

static int no_memory(const struct filling *c)
{
    (void)snprintf(c->error, JSON_FILE_ERROR_BYTES, "%.400s: %s", c->f->path, strerror(ENOMEM));
    return -EINVAL;
}

/* By way of the same function as on the command line: a value has one meaning. */
static int set_text(const struct filling *c, const struct option_row *row, const struct node *n,
                    void *base)
{
    char why[OPTION_WHY_BYTES];
    bool is_path = row->kind == OPTION_PATH || row->kind == OPTION_PATHS;
    const char *text = is_path && *n->text != '\0' ? json_file_path(c->f, n->text, c->pool)
                                                   : pool_text(c->pool, n->text, strlen(n->text));

    if (text == NULL)
        return no_memory(c);
    if (option_set(row, text, base, c->pool, why) < 0)
        return json_file_wrong(c->f, n->at, c->error, "%s: %s", config_file_key(row), why);
    return 0;
}

static int set_flag(const struct filling *c, const struct option_row *row, const struct node *n,
                    void *base)
{
    if (n->kind != NODE_TRUE && n->kind != NODE_FALSE)
        return wrong_kind(c, config_file_key(row), n, "true or false");
    *(bool *)(void *)((char *)base + row->offset) = n->kind == NODE_TRUE;
    return 0;
}

static int set_texts(const struct filling *c, const struct option_row *row, const struct node *n,
                     void *base)
{
    int r = 0;

    if (n->kind != NODE_ARRAY)
        return wrong_kind(c, config_file_key(row), n, "an array of strings");
    for (const struct node *e = n->first; r == 0 && e != NULL; e = e->next)
        r = e->kind == NODE_STRING ? set_text(c, row, e, base)
                                   : wrong_kind(c, config_file_key(row), e, "a string");
    return r;
}

static int set_pair(const struct filling *c, const struct option_row *row, const struct node *n,
                    struct pair_list *list)
{
    char why[OPTION_WHY_BYTES];
    const char *name, *file;

    if (n->kind != NODE_STRING)
        return wrong_kind(c, n->key, n, "a file's name");
    if (*n->text == '\0')
        return json_file_wrong(c->f, n->at, c->error, "%s: the value is empty", n->key);
    name = pool_text(c->pool, n->key, strlen(n->key));
    file = json_file_path(c->f, n->text, c->pool);
    if (name == NULL || file == NULL)
        return no_memory(c);
    if (option_add_pair(list, name, file, c->pool, why) < 0)
        return json_file_wrong(c->f, n->at, c->error, "%s: %s", config_file_key(row), why);
    return 0;
}

static int set_pairs(const struct filling *c, const struct option_row *row, const struct node *n,
                     void *base)
{
    int r = 0;

    if (n->kind != NODE_OBJECT)
        return wrong_kind(c, config_file_key(row), n, "an object");
    for (const struct node *m = n->first; r == 0 && m != NULL; m = m->next)
        r = set_pair(c, row, m, (void *)((char *)base + row->offset));
    return r;
}

static int fill_object(const struct filling *c, const struct node *object,
                       const struct option_row *rows, size_t n_rows, void *base);

static int add_disk(const struct filling *c, const struct node *n, struct disk_list *list)
{
    struct disk_option disk = disk_option_default();
    char why[OPTION_WHY_BYTES];
    const struct node *file = node_member(n, "file");
    char *place;
    int r;

    if (n->kind != NODE_OBJECT)
        return wrong_kind(c, "disk", n, "an object");
    r = fill_object(c, n, disk_rows, DISK_ROW_COUNT, &disk);
    if (r < 0)
        return r;
    place = json_file_place(c->f, n->at, c->pool);
    if (place != NULL && file != NULL)
        place = pool_printf(c->pool, "%s: disk %s", place, disk.file);
    disk.from = place;
    if (place == NULL)
        return no_memory(c);
    if (disk_option_add(list, &disk, c->pool, why) < 0)
        return json_file_wrong(c->f, n->at, c->error, "%s", why);
    return 0;
}

static int add_net(const struct filling *c, const struct node *n, struct net_list *list)
{
    struct net_option net = net_option_default();
    char why[OPTION_WHY_BYTES];
    char *place;
    int r;

    if (n->kind != NODE_OBJECT)
        return wrong_kind(c, "net", n, "an object");
    r = fill_object(c, n, net_rows, NET_ROW_COUNT, &net);
    if (r < 0)
        return r;
    place = json_file_place(c->f, n->at, c->pool);
    if (place != NULL)
        place = pool_printf(c->pool, "%s: net", place);
    if (place == NULL)
        return no_memory(c);
    net.from = place;
    if (net_option_add(list, &net, why) < 0)
        return json_file_wrong(c->f, n->at, c->error, "%s", why);
    return 0;
}

/* The field is a list of disks or of NICs, as the row says. */
static int set_objects(const struct filling *c, const struct option_row *row, const struct node *n,
                       void *base)
{
    void *list = (char *)base + row->offset;
    int r = 0;

    if (n->kind != NODE_ARRAY)
        return wrong_kind(c, config_file_key(row), n, "an array of objects");
    for (const struct node *e = n->first; r == 0 && e != NULL; e = e->next)
        r = row->kind == OPTION_DISKS ? add_disk(c, e, list) : add_net(c, e, list);
    return r;
}

static int set_row(const struct filling *c, const struct option_row *row, const struct node *n,
                   void *base)
{
    bool text = n->kind == NODE_STRING;
    bool number = n->kind == NODE_NUMBER;

    switch (row->kind) {
    case OPTION_FLAG:
        return set_flag(c, row, n, base);
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_CHOICE:
        return text ? set_text(c, row, n, base)
                    : wrong_kind(c, config_file_key(row), n, "a string");
    case OPTION_NUMBER:
    case OPTION_NUMBERS:
        return number ? set_text(c, row, n, base)
                      : wrong_kind(c, config_file_key(row), n, "a number");
    case OPTION_SIZE:
        if (!text && !number)
            return wrong_kind(c, config_file_key(row), n,
                              "a number of bytes, or a string like \"2G\",");
        return set_text(c, row, n, base);
    case OPTION_TEXTS:
    case OPTION_PATHS:
        return set_texts(c, row, n, base);
    case OPTION_PAIRS:
        return set_pairs(c, row, n, base);
    case OPTION_DISKS:
    case OPTION_NETS:
        return set_objects(c, row, n, base);
    }
    return -EINVAL;
}

static const struct option_row *find_row(const struct option_row *rows, size_t n_rows,
                                         const char *key)
{
    for (size_t i = 0; i < n_rows; i++) {
        if (config_file_has(&rows[i]) && strcmp(config_file_key(&rows[i]), key) == 0)
            return &rows[i];
    }
    return NULL;
}

static int unknown_key(const struct filling *c, const struct node *n, const struct option_row *rows,
                       size_t n_rows)
{
    char known[JSON_FILE_ERROR_BYTES] = "";
    size_t len = 0;

    for (size_t i = 0; i < n_rows && len < sizeof(known); i++) {
        if (config_file_has(&rows[i]))
            len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", len > 0 ? ", " : "",
                                    config_file_key(&rows[i]));
    }
    return json_file_wrong(c->f, n->key_at, c->error, "unknown key %.64s: %s are known", n->key,
                           known);
}

/* The top may name its schema, for editors. */
static int fill_object(const struct filling *c, const struct node *object,
                       const struct option_row *rows, size_t n_rows, void *base)
{
    int r = 0;

    for (const struct node *n = object->first; r == 0 && n != NULL; n = n->next) {
        const struct option_row *row = find_row(rows, n_rows, n->key);

        if (row != NULL)
            r = set_row(c, row, n, base);
        else if (rows == disk_rows || rows == net_rows || strcmp(n->key, SCHEMA_KEY) != 0)
            r = unknown_key(c, n, rows, n_rows);
        else if (n->kind != NODE_STRING)
            r = wrong_kind(c, n->key, n, "a string");
    }
    return r;
}

int config_file_apply(const struct json_file *f, const struct option_row *rows, size_t n_rows,
                      void *base, struct pool *pool, char error[JSON_FILE_ERROR_BYTES])
{
    const struct filling c = {.f = f, .pool = pool, .error = error};
    const struct node *root = document_root(f->document);

    if (root->kind != NODE_OBJECT)
        return wrong_kind(&c, "the file", root, "an object");
    return fill_object(&c, root, rows, n_rows, base);
}
