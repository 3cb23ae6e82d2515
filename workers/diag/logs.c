#include "workers/diag/logs.h"

#include <stdatomic.h>

void logs_begin(struct logs_cursor *c, const struct board_page *const boards[PROCESS_COUNT],
                unsigned process, bool follow)
{
    for (unsigned i = 0; i < PROCESS_COUNT; i++) {
        c->wanted[i] = boards[i] != NULL && (process == PROCESS_COUNT || process == i);
        c->next[i] = 1;
        c->last[i] = 0;
        if (c->wanted[i])
            c->last[i] = follow ? UINT64_MAX : atomic_load(&boards[i]->log_seq);
    }
}

bool logs_next(struct logs_cursor *c, const struct board_page *const boards[PROCESS_COUNT],
               enum process *ret_process, struct board_line *ret)
{
    struct board_line line;
    bool found = false;

    for (unsigned i = 0; i < PROCESS_COUNT; i++) {
        if (!c->wanted[i] || board_read_log(boards[i], c->next[i], &line) < 0 ||
            line.seq > c->last[i] || (found && line.time_ns >= ret->time_ns))
            continue;
        *ret = line;
        *ret_process = (enum process)i;
        found = true;
    }
    if (found)
        c->next[*ret_process] = ret->seq + 1;
    return found;
}
