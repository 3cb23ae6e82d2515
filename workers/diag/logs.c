#include "workers/diag/logs.h"

#include <stdatomic.h>
#include <string.h>

#include "workers/diag/log_filter.h"

void logs_begin(struct logs_cursor *c, const struct board_page *const boards[PROCESS_COUNT],
                unsigned process, bool follow)
{
    c->about = process;
    c->confidential = false;
    for (unsigned i = 0; i < PROCESS_COUNT; i++) {
        uint64_t last = boards[i] == NULL ? 0 : atomic_load(&boards[i]->log_seq);

        c->next[i] = last > BOARD_LOG_RECORDS ? last - BOARD_LOG_RECORDS + 1 : 1;
        c->last[i] = boards[i] != NULL && follow ? UINT64_MAX : last;
        c->credit[i] = BOARD_LOG_RECORDS;
    }
}

static bool is_about(const char *text, unsigned process)
{
    size_t len = strlen(manifest[process].name);

    return strncmp(text, manifest[process].name, len) == 0 &&
           (text[len] == ' ' || text[len] == ':');
}

static bool is_wanted(const struct logs_cursor *c, unsigned process, const struct board_line *line)
{
    if (c->about == PROCESS_COUNT || c->about == process)
        return true;
    return (process == PROCESS_INIT || process == PROCESS_SUPERVISOR) &&
           is_about(line->text, c->about);
}

/* The next wanted record of one board; what is not wanted is passed over, so many at a time. */
static bool next_of(struct logs_cursor *c, const struct board_page *page, unsigned process,
                    struct board_line *ret)
{
    for (int budget = BOARD_LOG_RECORDS; budget > 0; budget--) {
        if (page == NULL || board_read_log(page, c->next[process], ret) < 0 ||
            ret->seq > c->last[process])
            return false;
        if (is_wanted(c, process, ret))
            return true;
        c->next[process] = ret->seq + 1;
    }
    return false;
}

/* The oldest line of those that have credit. */
static bool oldest(struct logs_cursor *c, const struct board_page *const boards[PROCESS_COUNT],
                   enum process *ret_process, struct board_line *ret)
{
    struct board_line line;
    bool found = false;

    for (unsigned i = 0; i < PROCESS_COUNT; i++) {
        if (c->credit[i] == 0 || !next_of(c, boards[i], i, &line) ||
            (found && line.time_ns >= ret->time_ns))
            continue;
        *ret = line;
        *ret_process = (enum process)i;
        found = true;
    }
    return found;
}

static void filter(struct board_line *line)
{
    char text[LOG_FILTERED_BYTES];

    log_filter(line->text, text);
    memcpy(line->text, text, sizeof(text));
}

/* A board whose writer is honest holds no more than its credit: what comes is in order of time. */
bool logs_next(struct logs_cursor *c, const struct board_page *const boards[PROCESS_COUNT],
               enum process *ret_process, struct board_line *ret)
{
    bool found = oldest(c, boards, ret_process, ret);

    if (!found) { /* all others have nothing to say, or have said as much */
        for (unsigned i = 0; i < PROCESS_COUNT; i++)
            c->credit[i] = BOARD_LOG_RECORDS;
        found = oldest(c, boards, ret_process, ret);
    }
    if (!found)
        return false;
    c->next[*ret_process] = ret->seq + 1;
    c->credit[*ret_process]--;
    if (c->confidential)
        filter(ret);
    return true;
}
