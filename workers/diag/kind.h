/*
 * workers/diag/kind.h - which of diag's two programs this is: with operators over the network, or with root alone.
 *
 * Each program links one file that says so. What the other one does not need (TLS, HTTP, the page) it does not have.
 */
#pragma once

#include "base/sandbox.h"

struct network;

struct diag_kind {
    const struct sbx_filter *filter;
    const struct network *network; /* NULL: none */
};

extern const struct diag_kind diag_kind;
