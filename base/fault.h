/*
 * base/fault.h - a process's last words: where in its program it was when the processor refused its instruction.
 *
 * SIGSEGV, SIGBUS, SIGILL and SIGFPE are noted on the process's board, then it dies of the same signal. No memory, no
 * register and no absolute address is noted: an offset in the program, which its build id makes a line of code.
 *
 * It costs system calls at the start alone. The handler makes none and never returns, so the run filter need not even have
 * rt_sigreturn: it faults once more the same way, and a signal that comes while it is blocked is what the kernel kills for.
 * A call that the filter forbids has no last words.
 */
#pragma once

#include <stdint.h>

#include "base/board.h"
#include "base/macro.h"

/*
 * From now on, for the process's life. The page is borrowed. One stack of its own has the thread that calls this; others
 * that overflow theirs die without a word. 0 or negative errno.
 */
int MUST_USE fault_watch(struct board_page *page, uint32_t generation);
