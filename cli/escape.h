/*
 * cli/escape.h - Ctrl-A on the console: X ends the VM, A or Ctrl-A sends a Ctrl-A to the guest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct escape {
    bool pending; /* the last byte was Ctrl-A */
};

/*
 * Filter len typed bytes in place; *ret_len is what remains for the guest.
 * True: the person wants to leave, what came after is dropped.
 */
bool escape_filter(struct escape *e, char *bytes, size_t len, size_t *ret_len);
