/*
 * workers/debug/profile.h - numbers that the filter names: the manifest's order gives them.
 */
#pragma once

#include "ipc/manifest.h"

enum {
    DEBUG_FD_STREAM = FD_FIRST_GRANT + 1,
    DEBUG_FD_RAM = FD_FIRST_GRANT + 2,
};
