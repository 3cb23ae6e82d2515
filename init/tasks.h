/*
 * init/tasks.h - the threads of another process: where they run, and who goes first.
 */
#pragma once

#include <sys/types.h>

#include "base/macro.h"

/* Run all of them on one CPU. 0 or negative errno; one that has ended meanwhile is no error. */
int MUST_USE tasks_place(pid_t pid, unsigned cpu);

/*
 * A process that is started goes before others, because a guest may wait for it, until it has been looked at; one that was
 * killed, too: its successor waits for its end. Both are counted from the caller's own nice level.
 */
void tasks_set_ahead(pid_t pid);
int MUST_USE tasks_take_back(pid_t pid);
