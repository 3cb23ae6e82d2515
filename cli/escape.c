#include "cli/escape.h"

static const char CTRL_A = 1;

bool escape_filter(struct escape *e, char *bytes, size_t len, size_t *ret_len)
{
    size_t kept = 0;
    bool leave = false;

    for (size_t i = 0; i < len && !leave; i++) {
        char c = bytes[i];

        if (!e->pending) {
            e->pending = c == CTRL_A;
            if (!e->pending)
                bytes[kept++] = c;
            continue;
        }
        e->pending = false;
        if (c == 'x' || c == 'X')
            leave = true;
        else if (c == 'a' || c == 'A' || c == CTRL_A)
            bytes[kept++] = CTRL_A;
        /* anything else: the two keys mean nothing */
    }
    *ret_len = kept;
    return leave;
}
