/*
 * cli/nic_argument.h - the NIC that a command is about, as its first argument has it.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"

struct cli_args;

/* Its number. Says what is wrong; the exit status. */
int MUST_USE nic_argument(const char *command, const struct cli_args *args, uint32_t *ret);
