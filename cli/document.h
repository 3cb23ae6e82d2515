/*
 * cli/document.h - a JSON text as a tree in which every value knows where it stands.
 *
 * Strict: RFC 8259, UTF-8, no key twice in an object, nothing after the value; besides no NUL
 * character in a string. The text is read to its end before anything is believed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    DOCUMENT_MAX_BYTES = 4 << 20,
    DOCUMENT_MAX_DEPTH = 32,
    DOCUMENT_MAX_KEYS = 2048, /* of one object: each is compared with the others */
    DOCUMENT_WHY_BYTES = 128,
};

enum node_kind {
    NODE_OBJECT,
    NODE_ARRAY,
    NODE_STRING,
    NODE_NUMBER,
    NODE_TRUE,
    NODE_FALSE,
    NODE_NULL,
};

struct node {
    enum node_kind kind;
    const char *key;          /* of a member of an object, else NULL */
    size_t key_at;            /* byte of the text where the key begins */
    size_t at;                /* byte of the text where the value begins */
    const char *text;         /* NODE_STRING: decoded; NODE_NUMBER: as written */
    const struct node *first; /* member or element; NULL: none */
    const struct node *next;  /* after this one; NULL: none */
};

struct document;

struct document_position {
    size_t line, column; /* from 1; columns are characters */
};

/*
 * Read a text. *ret is the caller's: document_free(). -EBADMSG: it is not JSON; why says what is wrong
 * and *ret_at at which byte. -ENOMEM.
 */
int MUST_USE document_parse(const char *text, size_t len, struct document **ret, size_t *ret_at,
                            char why[DOCUMENT_WHY_BYTES]);

void document_free(struct document *d); /* NULL is fine */

/* The value that the text is. */
const struct node *document_root(const struct document *d);

/* The member of an object; NULL: there is none, or it is no object. */
const struct node *node_member(const struct node *object, const char *key);

/* "an object", "a number". */
const char *node_kind_name(enum node_kind kind);

/* Where in a text a byte is. */
struct document_position document_position_of(const char *text, size_t len, size_t at);
