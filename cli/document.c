#include "cli/document.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pool.h"

struct document {
    struct pool pool;
    struct node *root;
};

struct parser {
    const char *text;
    size_t len;
    size_t at;
    struct pool *pool;
    unsigned depth;
    size_t wrong_at;
    char *why;
};

/* `return wrong(p, at, "...")` */
static int wrong(struct parser *p, size_t at, const char *why)
{
    p->wrong_at = at;
    (void)snprintf(p->why, DOCUMENT_WHY_BYTES, "%s", why);
    return -EBADMSG;
}

static bool at_end(const struct parser *p)
{
    return p->at >= p->len;
}

/* The next byte; 0 at the end, which no rule wants. */
static char peek(const struct parser *p)
{
    return at_end(p) ? '\0' : p->text[p->at];
}

static void skip_space(struct parser *p)
{
    while (!at_end(p) && memchr(" \t\r\n", p->text[p->at], 4) != NULL)
        p->at++;
}

static bool take(struct parser *p, char c)
{
    if (at_end(p) || p->text[p->at] != c)
        return false;
    p->at++;
    return true;
}

/* --- strings --- */

/* Length of the UTF-8 character at the beginning, 0: there is none. @spec Unicode 15 table 3-7 */
static size_t utf8_length(const unsigned char *s, size_t len)
{
    size_t n = s[0] < 0x80                   ? 1
               : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                             : 0;

    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || /* longer than needed, */
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))   /* surrogate, too large */
        return 0;
    return n;
}

static char *utf8_put(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (c & 0x3f));
    return to;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

static int take_hex(struct parser *p, uint32_t *ret)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < 4; i++) {
        int digit = hex_digit(peek(p));

        if (digit < 0)
            return wrong(p, p->at, "\\u wants four hexadecimal digits");
        v = v << 4 | (uint32_t)digit;
        p->at++;
    }
    *ret = v;
    return 0;
}

/* After "\u": one or, for a pair of surrogates, two such. */
static int take_unicode(struct parser *p, uint32_t *ret)
{
    size_t begin = p->at - 2;
    uint32_t low;
    int r = take_hex(p, ret);

    if (r < 0)
        return r;
    if (*ret == 0)
        return wrong(p, begin, "a string cannot hold a NUL character");
    if (*ret < 0xd800 || *ret > 0xdfff)
        return 0;
    if (*ret > 0xdbff || !take(p, '\\') || !take(p, 'u'))
        return wrong(p, begin, "half of a surrogate pair");
    r = take_hex(p, &low);
    if (r < 0)
        return r;
    if (low < 0xdc00 || low > 0xdfff)
        return wrong(p, begin, "half of a surrogate pair");
    *ret = 0x10000 + ((*ret - 0xd800) << 10 | (low - 0xdc00));
    return 0;
}

static int take_escape(struct parser *p, char **to)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    char c = peek(p);
    const char *letter = c == '\0' ? NULL : strchr(letters, c);
    uint32_t unicode;
    int r;

    if (letter != NULL) {
        *(*to)++ = meanings[letter - letters];
        p->at++;
        return 0;
    }
    if (c != 'u')
        return wrong(p, p->at - 1, "no such escape sequence in a string");
    p->at++;
    r = take_unicode(p, &unicode);
    if (r == 0)
        *to = utf8_put(*to, unicode);
    return r;
}

/* One character or escape sequence of a string. */
static int take_character(struct parser *p, char **to)
{
    const char *from = p->text + p->at;
    size_t n;

    if (take(p, '\\'))
        return take_escape(p, to);
    if ((unsigned char)*from < 0x20)
        return wrong(p, p->at, "a control character in a string must be escaped");
    n = utf8_length((const unsigned char *)from, p->len - p->at);
    if (n == 0)
        return wrong(p, p->at, "this is not UTF-8");
    memcpy(*to, from, n);
    *to += n;
    p->at += n;
    return 0;
}

/* An upper bound of the decoded length: no sequence is shorter than what it stands for. */
static size_t string_bound(const struct parser *p)
{
    size_t at = p->at;

    while (at < p->len && p->text[at] != '"')
        at += p->text[at] == '\\' ? 2 : 1;
    return at - p->at + 1;
}

/* At its first quotation mark. */
static int take_string(struct parser *p, const char **ret)
{
    size_t begin = p->at;
    char *text, *to;

    p->at++;
    text = pool_alloc(p->pool, string_bound(p) + 1);
    if (text == NULL)
        return -ENOMEM;
    to = text;
    while (!take(p, '"')) {
        int r;

        if (at_end(p))
            return wrong(p, begin, "a string without an end");
        r = take_character(p, &to);
        if (r < 0)
            return r;
    }
    *to = '\0';
    *ret = text;
    return 0;
}

/* --- numbers and words --- */

static size_t take_digits(struct parser *p)
{
    size_t begin = p->at;

    while (peek(p) >= '0' && peek(p) <= '9')
        p->at++;
    return p->at - begin;
}

static bool take_number_text(struct parser *p)
{
    (void)take(p, '-');
    if (!take(p, '0') && take_digits(p) == 0)
        return false;
    if (take(p, '.') && take_digits(p) == 0)
        return false;
    if (take(p, 'e') || take(p, 'E')) {
        if (!take(p, '+'))
            (void)take(p, '-');
        return take_digits(p) > 0;
    }
    return true;
}

static int take_number(struct parser *p, struct node *n)
{
    size_t begin = p->at;

    n->kind = NODE_NUMBER;
    if (!take_number_text(p))
        return wrong(p, begin, "this is not a number as JSON has them");
    n->text = pool_text(p->pool, p->text + begin, p->at - begin);
    return n->text == NULL ? -ENOMEM : 0;
}

static int take_word(struct parser *p, struct node *n)
{
    static const struct {
        const char *word;
        enum node_kind kind;
    } words[] = {
        {"true",  NODE_TRUE },
        {"false", NODE_FALSE},
        {"null",  NODE_NULL }
    };

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        size_t len = strlen(words[i].word);

        if (p->len - p->at >= len && memcmp(p->text + p->at, words[i].word, len) == 0) {
            n->kind = words[i].kind;
            p->at += len;
            return 0;
        }
    }
    return wrong(p, p->at, at_end(p) ? "a value is missing at the end" : "a value is wanted here");
}

/* --- objects and arrays --- */

static int take_value(struct parser *p, struct node *n);

static struct node *add_node(struct parser *p, struct node *parent, struct node *last)
{
    struct node *n = pool_alloc(p->pool, sizeof(*n));

    if (n == NULL)
        return NULL;
    if (last == NULL)
        parent->first = n;
    else
        last->next = n;
    return n;
}

static int take_key(struct parser *p, const struct node *object, struct node *n)
{
    unsigned n_keys = 0;
    int r;

    skip_space(p);
    n->key_at = p->at;
    if (peek(p) != '"')
        return wrong(p, p->at, "a key is wanted here, in quotation marks");
    r = take_string(p, &n->key);
    if (r < 0)
        return r;
    for (const struct node *other = object->first; other != n; other = other->next) {
        if (strcmp(other->key, n->key) == 0)
            return wrong(p, n->key_at, "this key is here twice");
        if (++n_keys == DOCUMENT_MAX_KEYS)
            return wrong(p, n->key_at, "too many keys in one object");
    }
    skip_space(p);
    return take(p, ':') ? 0 : wrong(p, p->at, "a colon is wanted here");
}

static int take_members(struct parser *p, struct node *parent)
{
    char end = parent->kind == NODE_OBJECT ? '}' : ']';
    struct node *last = NULL;

    skip_space(p);
    if (take(p, end))
        return 0;
    for (;;) {
        struct node *n = add_node(p, parent, last);
        int r = n == NULL ? -ENOMEM : 0;

        if (r == 0 && parent->kind == NODE_OBJECT)
            r = take_key(p, parent, n);
        if (r == 0)
            r = take_value(p, n);
        if (r < 0)
            return r;
        last = n;
        skip_space(p);
        if (take(p, end))
            return 0;
        if (!take(p, ','))
            return wrong(p, p->at,
                         end == '}' ? "a comma or } is wanted here"
                                    : "a comma or ] is wanted here");
    }
}

static int take_container(struct parser *p, struct node *n)
{
    int r;

    if (p->depth == DOCUMENT_MAX_DEPTH)
        return wrong(p, p->at, "too many levels");
    n->kind = peek(p) == '{' ? NODE_OBJECT : NODE_ARRAY;
    p->at++;
    p->depth++;
    r = take_members(p, n);
    p->depth--;
    return r;
}

/* Recursive: as deep as DOCUMENT_MAX_DEPTH. */
static int take_value(struct parser *p, struct node *n)
{
    char c;

    skip_space(p);
    n->at = p->at;
    c = peek(p);
    if (c == '{' || c == '[')
        return take_container(p, n);
    if (c == '"') {
        n->kind = NODE_STRING;
        return take_string(p, &n->text);
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return take_number(p, n);
    return take_word(p, n);
}

/* --- the whole --- */

static int parse(struct parser *p, struct node *root)
{
    int r;

    if (p->len > DOCUMENT_MAX_BYTES)
        return wrong(p, 0, "longer than 4 MiB");
    r = take_value(p, root);
    if (r < 0)
        return r;
    skip_space(p);
    return at_end(p) ? 0 : wrong(p, p->at, "something follows after the end");
}

int document_parse(const char *text, size_t len, struct document **ret, size_t *ret_at,
                   char why[DOCUMENT_WHY_BYTES])
{
    struct document *d = calloc(1, sizeof(*d));
    struct parser p = {.text = text, .len = len, .why = why};
    int r;

    if (d == NULL)
        return -ENOMEM;
    p.pool = &d->pool;
    d->root = pool_alloc(&d->pool, sizeof(*d->root));
    r = d->root == NULL ? -ENOMEM : parse(&p, d->root);
    if (r < 0) {
        *ret_at = p.wrong_at;
        document_free(d);
        return r;
    }
    *ret = d;
    return 0;
}

void document_free(struct document *d)
{
    if (d == NULL)
        return;
    pool_done(&d->pool);
    free(d);
}

const struct node *document_root(const struct document *d)
{
    return d->root;
}

const struct node *node_member(const struct node *object, const char *key)
{
    if (object->kind != NODE_OBJECT)
        return NULL;
    for (const struct node *n = object->first; n != NULL; n = n->next) {
        if (strcmp(n->key, key) == 0)
            return n;
    }
    return NULL;
}

const char *node_kind_name(enum node_kind kind)
{
    static const char *const names[] = {
        [NODE_OBJECT] = "an object", [NODE_ARRAY] = "an array", [NODE_STRING] = "a string",
        [NODE_NUMBER] = "a number",  [NODE_TRUE] = "true",      [NODE_FALSE] = "false",
        [NODE_NULL] = "null",
    };

    return names[kind];
}

struct document_position document_position_of(const char *text, size_t len, size_t at)
{
    struct document_position where = {.line = 1, .column = 1};

    for (size_t i = 0; i < at && i < len; i++) {
        if (text[i] == '\n')
            where = (struct document_position){.line = where.line + 1, .column = 1};
        else if (((unsigned char)text[i] & 0xc0) != 0x80)
            where.column++;
    }
    return where;
}
