/*
 * workers/diag/tell.h - what every operator may know of the VM, and is told at once.
 *
 * Each returns a new reference, or NULL when there is no memory.
 */
#pragma once

#include <jansson.h>

struct caller;
struct diag;

/* {"healthy": bool, "processes": {NAME: STATE}} of those that do not run as they should. */
json_t *tell_health(const struct diag *d, const struct caller *caller);

/* [{"name": text, ..., "may": [{"what": text, "write": bool, "why": text}]}] of init and all that run */
json_t *tell_processes(const struct diag *d, const struct caller *caller);

/* {"version": text, "api": 1} */
json_t *tell_version(const struct diag *d, const struct caller *caller);

/* {"name": text, "role": text, "confidential": bool} */
json_t *tell_whoami(const struct diag *d, const struct caller *caller);
