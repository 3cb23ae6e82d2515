/*
 * cli/programs.h - where bulkhead-init, the supervisor and the workers are.
 */
#pragma once

#include <limits.h>

#include "base/macro.h"

/* The first program of the manifest, init before all, that a folder does not have; NULL: it has them all. */
const char *programs_missing(const char *folder);

/* As built or as installed: next to this program, or in lib beside its folder. -ENOENT: not there. */
int MUST_USE programs_find(char ret[PATH_MAX]);
