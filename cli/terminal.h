/*
 * cli/terminal.h - the person's terminal as the guest's console, and back again in any case.
 *
 * One terminal per process: what restores it after a crash is a signal handler, which has no
 * arguments.
 */
#pragma once

#include <stdbool.h>

#include "base/macro.h"

/*
 * Make fd raw: every key goes to the guest. Restored by terminal_restore(), and by the death of
 * this process through any signal that can be caught.
 * 0; -ENOTTY when fd is no terminal, or one that this process does not hold in the foreground.
 */
int MUST_USE terminal_raw(int fd);

/* Write on a screen of its own, on fd, until terminal_restore(). After terminal_raw(). */
void terminal_screen(int fd);

/* Give the terminal back as it was. Without a terminal_raw() before, nothing. */
void terminal_restore(void);

/* After a stop and continue: raw again, if it was. */
void terminal_again(void);
