/*
 * workers/diag/page.h - the files that a browser is given: the operators' page, and what describes the interface.
 */
#pragma once

#include <stddef.h>

struct page_file {
    const char *path;
    const char *type;
    const char *policy; /* what a browser lets it do: Content-Security-Policy */
    const unsigned char *bytes;
    const size_t *len;
};

/* NULL: there is none at that path. */
const struct page_file *page_find(const char *path);
