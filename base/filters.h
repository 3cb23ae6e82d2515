/*
 * base/filters.h - the compiled sandbox filters, one per process kind that init jails.
 *
 * Made at build time by tools/sbx-compile from each process's profile.c.
 */
#pragma once

#include "base/sandbox.h"

extern const struct sbx_filter supervisor_filter;
extern const struct sbx_filter chipset_filter;
extern const struct sbx_filter vtpm_filter;
extern const struct sbx_filter vmbus_filter;
extern const struct sbx_filter storage_filter;
extern const struct sbx_filter storage_plain_filter; /* where the host has no io_uring for us */
extern const struct sbx_filter net_filter;
extern const struct sbx_filter diag_filter;
extern const struct sbx_filter diag_remote_filter; /* where operators come over the network */
extern const struct sbx_filter debug_filter;
