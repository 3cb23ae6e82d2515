/*
 * supervisor/levels.h - how much each process logs, as operators want it (ipc/levels.h).
 */
#pragma once

#include "base/board.h"
#include "base/macro.h"
#include "ipc/levels.h"

struct levels {
    struct levels_page *page; /* borrowed */
    struct board_row *rows[PROCESS_COUNT];
};

/* board and page are borrowed. */
void levels_init(struct levels *l, struct board *board, struct levels_page *page);

/* 0, or -EINVAL: no such process, or level. */
int MUST_USE levels_set(struct levels *l, uint32_t process, uint32_t level);
