#include "supervisor/levels.h"

#include <errno.h>

void levels_init(struct levels *l, struct board *board, struct levels_page *page)
{
    l->page = page;
    for (unsigned p = 0; p < PROCESS_COUNT; p++) {
        l->rows[p] = board_addf(board, BOARD_TEXT, "%s/log_level", manifest[p].name);
        board_text(l->rows[p], log_level_name(LOG_LEVEL_INFO));
    }
    board->level = &page->level[PROCESS_SUPERVISOR];
}

int levels_set(struct levels *l, uint32_t process, uint32_t level)
{
    if (process >= PROCESS_COUNT || log_level_name(level) == NULL)
        return -EINVAL;
    atomic_store_explicit(&l->page->level[process], (uint8_t)level, memory_order_relaxed);
    board_text(l->rows[process], log_level_name(level));
    return 0;
}
