/*
 * tests/attack/mutate.h - is a sandbox that was made weaker noticed?
 *
 * Left out one at a time: each step of the jail, each call that its child makes, each namespace of
 * the clone, each property of the objects, each thing that a program does itself before it serves.
 * Who notices is the jail itself, the verifier, or an attempt that is refused with it and works
 * without.
 */
#pragma once

#include <stdbool.h>

/* How many were not noticed. Opens labs of its own. */
unsigned mutate_all(const char *evil);

/* Memory-deny-write-execute is what a second line against new code stands on; from Linux 6.3. */
bool mutate_kernel_has_mdwe(void);
