/*
 * tests/fakes/store.h - sparse bytes: what a file holds, cheap to fill with zeros and to copy.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    STORE_PAGE = 4096,
};

struct store {
    uint8_t **pages; /* NULL: zeros */
    uint64_t n_pages;
    uint64_t bytes;
};

static inline void store_free(struct store *s)
{
    for (uint64_t i = 0; i < s->n_pages; i++)
        free(s->pages[i]);
    free((void *)s->pages);
    *s = (struct store){0};
}

static inline void store_resize(struct store *s, uint64_t bytes)
{
    uint64_t n = (bytes + STORE_PAGE - 1) / STORE_PAGE;

    if (n > s->n_pages) {
        uint64_t room = n + n / 2;
        uint8_t **pages = realloc((void *)s->pages, room * sizeof(*pages));

        if (pages == NULL)
            abort();
        memset((void *)(pages + s->n_pages), 0, (room - s->n_pages) * sizeof(*pages));
        s->pages = pages;
        s->n_pages = room;
    }
    s->bytes = bytes;
}

static inline void store_grow(struct store *s, uint64_t bytes)
{
    if (bytes > s->bytes)
        store_resize(s, bytes);
}

/* Inside what there is; the caller has checked. */
static inline void store_read(const struct store *s, uint64_t at, void *out, size_t len)
{
    uint8_t *to = out;

    while (len > 0) {
        size_t in_page = at % STORE_PAGE;
        size_t n = len < STORE_PAGE - in_page ? len : STORE_PAGE - in_page;
        const uint8_t *page = s->pages[at / STORE_PAGE];

        if (page == NULL)
            memset(to, 0, n);
        else
            memcpy(to, page + in_page, n);
        to += n;
        at += n;
        len -= n;
    }
}

static inline uint8_t *store_page(struct store *s, uint64_t page)
{
    if (s->pages[page] == NULL)
        s->pages[page] = calloc(1, STORE_PAGE);
    if (s->pages[page] == NULL)
        abort();
    return s->pages[page];
}

static inline void store_write(struct store *s, uint64_t at, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;

    store_grow(s, at + len);
    while (len > 0) {
        size_t in_page = at % STORE_PAGE;
        size_t n = len < STORE_PAGE - in_page ? len : STORE_PAGE - in_page;

        memcpy(store_page(s, at / STORE_PAGE) + in_page, from, n);
        from += n;
        at += n;
        len -= n;
    }
}

static inline void store_zero(struct store *s, uint64_t at, uint64_t len)
{
    store_grow(s, at + len);
    while (len > 0) {
        uint64_t in_page = at % STORE_PAGE;
        uint64_t n = len < STORE_PAGE - in_page ? len : STORE_PAGE - in_page;
        uint8_t **page = &s->pages[at / STORE_PAGE];

        if (n == STORE_PAGE) {
            free(*page);
            *page = NULL;
        } else if (*page != NULL) {
            memset(*page + in_page, 0, n);
        }
        at += n;
        len -= n;
    }
}

static inline void store_copy(struct store *to, const struct store *from)
{
    store_free(to);
    store_resize(to, from->bytes);
    for (uint64_t i = 0; i < (from->bytes + STORE_PAGE - 1) / STORE_PAGE; i++) {
        if (from->pages[i] != NULL)
            memcpy(store_page(to, i), from->pages[i], STORE_PAGE);
    }
}
