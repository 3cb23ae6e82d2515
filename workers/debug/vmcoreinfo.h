/*
 * workers/debug/vmcoreinfo.h - where the guest's Linux says what it is: the note that it keeps for its own crash kernel.
 *
 * The note begins a page: an ELF note's head, its name, its text. All RAM that was ever touched is looked through for it; what
 * looks like one is checked before it is believed, since any guest can make any page.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "workers/debug/guest_memory.h"

enum {
    VMCOREINFO_MAX = 4096, /* bytes of text */
    VMCOREINFO_HEAD_BYTES = 24,
    VMCOREINFO_PAGES_AT_ONCE = 8192,
};

struct vmcoreinfo {
    uint64_t at; /* offset of the next page to look at */
    size_t len;  /* of text; 0: not found yet */
    char text[VMCOREINFO_MAX];
};

/* The length of the text that a page's first bytes announce; -EBADMSG: it is no such note. */
int MUST_USE vmcoreinfo_head(const uint8_t head[VMCOREINFO_HEAD_BYTES], size_t *ret_len);

/* Is it such a text: lines of NAME=VALUE, the kernel's release first, the size of its pages among them? */
int MUST_USE vmcoreinfo_check(const char *text, size_t len);

/* Look at some more pages. 1: found; 0: go on; -ENOENT: all were looked at; another negative errno. */
int MUST_USE vmcoreinfo_search(struct vmcoreinfo *v, const struct guest_memory *m);
