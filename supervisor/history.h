/*
 * supervisor/history.h - what happens to the VM, written down for operators: ipc/records.h.
 *
 * The page is diag's to read, and nobody waits for a reader. Without a page (tests) nothing is written. Any thread; they
 * wait for each other while a record is copied.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"
#include "ipc/manifest.h"
#include "ipc/records.h"

struct generation;
struct registry_row;

struct history {
    struct records_page *page; /* borrowed; NULL: there is none */
    /* Read-only mappings of what processes show of themselves, borrowed; NULL: none. */
    const struct board_page *boards[PROCESS_COUNT];
    bool confidential; /* log lines are the VM's own affair */
    pthread_mutex_t lock;
};

void history_init(struct history *h, struct records_page *page);

/* Something has happened to a generation. number is the event's first one, if it has any. */
void history_process(struct history *h, enum event_kind kind, const struct generation *g,
                     uint32_t number);

/* And to the VM. */
void history_vm(struct history *h, enum event_kind kind, uint32_t first, uint32_t second);

/*
 * A generation has died: of what, and, unless it was meant to, a crash record. The row's numbers are those from before; the
 * generation is still there.
 */
void history_death(struct history *h, const struct registry_row *row, const struct generation *g,
                   int wait_status);
