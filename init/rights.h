/*
 * init/rights.h - does init have the capabilities that building jails takes?
 */
#pragma once

#include "base/macro.h"
#include "init/why.h"

/* 0, or -EPERM and a line that names what is missing. */
int MUST_USE rights_check(struct why *why);
