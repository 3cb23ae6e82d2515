/*
 * base/code.h - which pages of its own program a process has mapped.
 */
#pragma once

/*
 * Give back every page of the program's code and constants: start-up has touched most of them, and
 * what runs from now on needs few. They are mapped again from the program's file when touched. To be
 * called at the end of start-up, where madvise(MADV_DONTNEED) is still allowed; a failure costs
 * memory and nothing else.
 */
void code_forget(void);
