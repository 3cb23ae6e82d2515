/*
 * workers/diag/profile.h - what the sandbox profile must know of the worker's descriptors.
 */
#pragma once

#include "ipc/manifest.h"

enum {
    DIAG_FD_OPERATOR = FD_FIRST_GRANT + 1, /* its row in the manifest; setup() checks it */
    DIAG_FD_REMOTE = FD_FIRST_GRANT + 2,   /* the same */
};
